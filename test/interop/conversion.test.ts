import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OPUS_SILENCE } from "../../src/core/codecs/opus-packet.ts";
import type { CodecName } from "../../src/core/frame.ts";
import { micros } from "../../src/core/time.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { runFfmpeg } from "../../src/ffmpeg/run.ts";
import { Journal, readJournal } from "../../src/sinks/recorder/journal.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { childrenOf } from "../support/processes.ts";
import { until } from "../support/until.ts";

/* Recordings that real encoders made, through the recorder and through real ffmpeg. */

const run = promisify(execFile);
const FPS = 25;
const PART_SECONDS = 1;

let folder: string;
let ffmpeg: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-conversion-"));
  ffmpeg = await locateFfmpeg();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A still picture: a white disc on black, as wide as half the shorter side. Encoded once. */
async function disc(codec: "vp8" | "h264", width: number, height: number): Promise<SampleStore> {
  const path = join(folder, `${codec}-${width}x${height}.mkv`);
  if (existsSync(path)) return SampleStore.open(path);
  const r = Math.min(width, height) / 4;
  const luma = `if(lte(hypot(X-${width / 2}\\,Y-${height / 2})\\,${r})\\,235\\,16)`;
  const source = `color=black:s=${width}x${height}:r=${FPS}:d=${1 / FPS},format=yuv420p,geq=lum=${luma}:cb=128:cr=128,loop=${PART_SECONDS * FPS - 1}:1`;
  const encoder =
    codec === "vp8"
      ? ["-c:v", "libvpx", "-b:v", "500k", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"]
      : ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"];
  await run(ffmpeg, ["-v", "error", "-f", "lavfi", "-i", source, ...encoder, "-g", "25", "-y", path]);
  return SampleStore.open(path);
}

/** Records pictures of these sizes one after the other, for a second each. */
async function recordSizes(
  codec: "vp8" | "h264",
  format: "mkv" | "webm" | "mp4",
  sizes: readonly (readonly [number, number])[],
) {
  const directory = await mkdtemp(join(folder, "session-"));
  const journal = new Journal(directory);
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const recorder = new Recorder({ directory, format, ffmpeg, journal, attempt: 0, onFailure });
  const participant = { id: "p", name: "p", recorder: false };
  recorder.addTrack({ id: "cam", kind: "video", source: "camera", participant });
  for (const [part, [width, height]] of sizes.entries()) {
    const store = await disc(codec, width, height);
    for (const [i, sample] of (store.index.video ?? []).entries()) {
      const time = micros(part * PART_SECONDS * 1e6 + sample.time);
      recorder.frame("cam", {
        codec: codec as CodecName,
        data: store.read("video", i),
        keyframe: sample.keyframe === true,
        time,
        rtpTime: Math.round(time * 0.09),
        lostBefore: 0,
        ...(sample.keyframe ? { width, height } : {}),
      });
      recorder.tick(time);
    }
    store.close();
  }
  await recorder.finish();
  return { directory, journal, recorder, failures };
}

/** Records and converts; the path of the only file. */
async function recordedFile(...o: Parameters<typeof recordSizes>): Promise<string> {
  const { directory, journal, recorder, failures } = await recordSizes(...o);
  await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  journal.close();
  expect(failures).toEqual([]);
  const files = readJournal(directory).filter((e) => e.t === "file-close");
  expect(files).toHaveLength(1);
  return join(directory, files[0]?.path ?? "");
}

type Picture = { readonly width: number; readonly height: number; readonly disc: readonly [number, number] };

/** Size of the picture at `seconds`, and how wide and high the disc in it is. */
async function pictureAt(path: string, seconds: number): Promise<Picture> {
  const { stdout } = await run(
    ffmpeg,
    [
      ...["-v", "error", "-i", path, "-ss", `${seconds}`, "-frames:v", "1"],
      ...["-pix_fmt", "gray", "-c:v", "pgm", "-f", "image2pipe", "-"],
    ],
    { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 },
  );
  const head = /^P5\s+(\d+)\s+(\d+)\s+255\s/.exec(stdout.subarray(0, 64).toString("latin1"));
  const [width, height] = [Number(head?.[1]), Number(head?.[2])];
  const pixels = stdout.subarray(head?.[0].length ?? 0);
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((pixels[y * width + x] ?? 0) < 128) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    }
  }
  return { width, height, disc: [right - left + 1, bottom - top + 1] };
}

const SIZES = [
  [320, 240],
  [640, 480],
  [240, 320],
] as const;
const MIDDLES = [0.5, 1.5, 2.5];

test.each(["vp8", "h264"] as const)(
  "%s whose picture changes size, as MP4: one canvas, in which a disc stays round",
  async (codec) => {
    const path = await recordedFile(codec, "mp4", SIZES);
    const inside = await inspectFile(path);
    expect(inside.errors).toEqual([]);
    expect(inside.video?.decoded).toBe(3 * PART_SECONDS * FPS);
    for (const [i, at] of MIDDLES.entries()) {
      const p = await pictureAt(path, at);
      expect([p.width, p.height]).toEqual([640, 480]);
      const [w, h] = p.disc;
      expect(Math.abs(w - h)).toBeLessThanOrEqual(4);
      // Half the shorter side of what was sent, scaled until the picture fits.
      const [sw, sh] = SIZES[i] ?? [0, 0];
      const want = (Math.min(sw, sh) / 2) * Math.min(640 / sw, 480 / sh);
      expect(Math.abs(w - want)).toBeLessThanOrEqual(6);
    }
  },
);

test.each([
  ["vp8", "webm"],
  ["h264", "mkv"],
] as const)(
  "%s whose picture changes size is kept as it came in %s, every size of it",
  async (codec, format) => {
    const path = await recordedFile(codec, format, SIZES);
    const inside = await inspectFile(path);
    expect(inside.errors).toEqual([]);
    expect(inside.video?.decoded).toBe(3 * PART_SECONDS * FPS);
    const { stdout } = await run(ffmpeg, ["-v", "debug", "-i", path, "-f", "null", "-"], {
      maxBuffer: 64 * 1024 * 1024,
    }).then((r) => ({ stdout: r.stderr }));
    for (const [w, h] of SIZES) expect(stdout).toMatch(new RegExp(`${w}x${h}`));
  },
);

test.each([
  ["the picture", 0, 3000],
  ["the sound", 3000, 0],
] as const)(
  "in MP4 %s that comes three seconds late stays where it was",
  async (_, soundFrom, pictureFrom) => {
    const directory = await mkdtemp(join(folder, "session-"));
    const journal = new Journal(directory);
    const failures: unknown[] = [];
    const onFailure = (error: unknown) => failures.push(error);
    const recorder = new Recorder({ directory, format: "mp4", ffmpeg, journal, attempt: 0, onFailure });
    const participant = { id: "p", name: "p", recorder: false };
    recorder.addTrack({ id: "mic", kind: "audio", source: "microphone", participant });
    recorder.addTrack({ id: "cam", kind: "video", source: "camera", participant });
    const store = await disc("h264", 320, 240);
    const samples = store.index.video ?? [];
    for (let t = 0; t < 6000; t += 20) {
      const time = micros(t * 1000);
      const base = { time, lostBefore: 0, rtpTime: t * 90 };
      if (t >= soundFrom)
        recorder.frame("mic", {
          ...{ ...base, rtpTime: t * 48, codec: "opus", keyframe: true },
          ...{ data: OPUS_SILENCE, duration: 20_000 },
        });
      const i = ((t - pictureFrom) / 40) % samples.length;
      const sample = samples[i];
      if (t >= pictureFrom && sample) {
        const keyframe = sample.keyframe === true;
        const size = keyframe ? { width: 320, height: 240 } : {};
        recorder.frame("cam", { ...base, codec: "h264", keyframe, data: store.read("video", i), ...size });
      }
      recorder.tick(time);
    }
    await recorder.finish();
    await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
    journal.close();
    store.close();
    expect(failures).toEqual([]);
    const { video, audio, errors } = await inspectFile(join(directory, "p.mp4"));
    expect(errors).toEqual([]);
    expect(video?.decoded).toBe((6000 - pictureFrom) / 40);
    expect(Math.abs((video?.times[0] ?? -1) - pictureFrom)).toBeLessThanOrEqual(1);
    // Where there was no sound yet there is silence.
    expect(Math.abs((audio?.durationMs ?? 0) - 6000)).toBeLessThanOrEqual(50);
    expect(Math.abs((audio?.endMs ?? 0) - 6000)).toBeLessThanOrEqual(50);
  },
);

test("an ffmpeg that is killed costs the conversion, not the recording", async () => {
  const { directory, journal, recorder, failures } = await recordSizes("vp8", "mp4", [...SIZES, ...SIZES]);
  const converting = recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  const child = await until(
    "ffmpeg",
    () => childrenOf(process.pid).find((c) => /libx264/.test(c.command)),
    10_000,
  );
  process.kill(child.pid, "SIGKILL");
  await converting;
  journal.close();
  expect(failures).toMatchObject([{ code: "ffmpeg-failed", message: expect.stringContaining("SIGKILL") }]);
  expect(readdirSync(directory).sort()).toEqual(["journal.jsonl", "p.mkv"]);
  const files = readJournal(directory).filter((e) => e.t === "file-close");
  expect(files).toMatchObject([{ path: "p.mkv", format: "mkv" }]);
  const inside = await inspectFile(join(directory, "p.mkv"));
  expect(inside.errors).toEqual([]);
  expect(inside.video?.decoded).toBe(6 * PART_SECONDS * FPS);
});

test("an ffmpeg that stands still for five seconds holds the input up instead of filling the memory", async () => {
  const CHUNK = 1 << 20;
  const CHUNKS = 300;
  let fed = 0;
  async function* sound() {
    for (; fed < CHUNKS; fed++) yield new Uint8Array(CHUNK);
  }
  const output = join(folder, "long.flac");
  const running = runFfmpeg({
    ffmpeg,
    command: {
      inputs: [{ source: "stdin", options: ["-f", "s16le", "-ar", "48000", "-ac", "2"] }],
      options: ["-c:a", "flac", "-f", "flac"],
      output,
    },
    input: sound(),
    onProgress: () => undefined,
  });
  const child = await until(
    "ffmpeg",
    () => childrenOf(process.pid).find((c) => /flac/.test(c.command)),
    10_000,
  );
  await until("some input", () => fed > 20, 30_000);
  process.kill(child.pid, "SIGSTOP");
  // What is in pipes and buffers settles first.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [before, memory] = [fed, process.memoryUsage.rss()];
  await new Promise((resolve) => setTimeout(resolve, 4500));
  expect(fed - before).toBeLessThanOrEqual(1);
  expect(process.memoryUsage.rss() - memory).toBeLessThan(32 * CHUNK);
  process.kill(child.pid, "SIGCONT");
  await running;
  expect(fed).toBe(CHUNKS);
  const { audio, errors } = await inspectFile(output);
  expect(errors).toEqual([]);
  expect(audio?.decoded).toBe((CHUNKS * CHUNK) / 4);
});
