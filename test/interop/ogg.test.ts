import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Frame } from "../../src/core/frame.ts";
import { micros } from "../../src/core/time.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { Journal, readJournal } from "../../src/sinks/recorder/journal.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";

/* Sound as Ogg, made without ffmpeg and decoded by it. */

const run = promisify(execFile);
let folder: string;
let ffmpeg: string;
let clip: SampleStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-ogg-"));
  ffmpeg = await locateFfmpeg();
  const size = { width: 320, height: 180 };
  clip = SampleStore.open(await groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir: folder }));
}, 60_000);
afterAll(async () => {
  clip?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Records ten seconds of the clip's beeps as Ogg; what is between these times never comes. */
async function recorded(o: { hole?: readonly [number, number]; ffmpeg?: string } = {}) {
  const directory = await mkdtemp(join(folder, "session-"));
  const journal = new Journal(directory);
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const recorder = new Recorder({
    directory,
    format: "ogg",
    ffmpeg: o.ffmpeg ?? "",
    journal,
    attempt: 0,
    onFailure,
  });
  const participant = { id: "p", name: "<img src=x>", recorder: false };
  recorder.addTrack({ id: "mic", kind: "audio", source: "microphone", participant });
  for (const [i, sample] of (clip.index.audio ?? []).entries()) {
    if (sample.time >= 10e6) break;
    const t = sample.time / 1000;
    if (o.hole && t >= o.hole[0] && t < o.hole[1]) continue;
    const frame: Frame = {
      codec: "opus",
      data: clip.read("audio", i),
      keyframe: true,
      time: micros(sample.time),
      rtpTime: 0,
      lostBefore: 0,
      duration: 20_000,
    };
    recorder.frame("mic", frame);
    recorder.tick(frame.time);
  }
  await recorder.finish();
  await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  journal.close();
  expect(failures).toEqual([]);
  const [file] = readJournal(directory).filter((e) => e.t === "file-close");
  expect(readdirSync(directory).filter((n) => n !== "journal.jsonl")).toEqual([file?.path]);
  return { file, path: join(directory, file?.path ?? "") };
}

/** Samples at 48 kHz, and where the beeps begin, seconds. */
async function heard(path: string): Promise<{ samples: number; beeps: number[] }> {
  const { stdout, stderr } = await run(
    ffmpeg,
    ["-v", "warning", "-i", path, "-ac", "1", "-ar", "48000", "-f", "f32le", "-"],
    { encoding: "buffer", maxBuffer: 1 << 28 },
  );
  expect(stderr.toString()).toBe("");
  const sound = new Float32Array(stdout.buffer, stdout.byteOffset, stdout.length >> 2);
  const beeps: number[] = [];
  let quiet = 48_000;
  for (const [i, v] of sound.entries()) {
    if (Math.abs(v) < 0.05) quiet++;
    else {
      if (quiet > 20_000) beeps.push(i / 48_000);
      quiet = 0;
    }
  }
  return { samples: sound.length, beeps };
}

test("a recording of sound is an Ogg file that decodes to the sample, with a beep every second", async () => {
  const { file, path } = await recorded();
  expect(file).toMatchObject({
    format: "ogg",
    durationMs: 10_000,
    tracks: [{ kind: "audio", codec: "opus", frames: 500 }],
  });
  const { samples, beeps } = await heard(path);
  expect(samples).toBe(480_000);
  expect(beeps.length).toBeGreaterThanOrEqual(9);
  const first = beeps[0] ?? 0;
  for (const [i, at] of beeps.entries()) expect(Math.abs(at - first - i)).toBeLessThan(0.02);
});

test("a hole is silence, and what comes after it stays where it was", async () => {
  const whole = (await heard((await recorded()).path)).beeps;
  const { path } = await recorded({ hole: [3500, 6500] });
  const { samples, beeps } = await heard(path);
  expect(samples).toBe(480_000);
  const left = whole.filter((t) => t < 3.4 || t > 6.6);
  expect(beeps).toHaveLength(left.length);
  for (const [i, at] of beeps.entries()) expect(Math.abs(at - (left[i] ?? 0))).toBeLessThan(0.02);
});

test("players can go to any place, and are told who speaks", async () => {
  const { path } = await recorded();
  const { stderr } = await run(ffmpeg, ["-hide_banner", "-ss", "7.5", "-i", path, "-f", "null", "-"]);
  expect(stderr).toContain("<img src=x>");
  expect(stderr).toMatch(/time=00:00:02\.5\d/);
  expect(existsSync(path)).toBe(true);
});
