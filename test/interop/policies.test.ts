import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OPUS_SILENCE } from "../../src/core/codecs/opus-packet.ts";
import { micros } from "../../src/core/time.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { Journal, readJournal } from "../../src/sinks/recorder/journal.ts";
import { manifestOf } from "../../src/sinks/recorder/manifest.ts";
import { defaultPolicy, type RecordingPolicy } from "../../src/sinks/recorder/policy.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { describeWith } from "../support/requires.ts";

/* What the policies of a recording make of a call whose picture changes its size, played in a browser. */

const run = promisify(execFile);
const FPS = 25;
/** As a sender that probes its way up makes them, and then is turned. */
const SIZES = [
  [320, 180],
  [640, 360],
  [1280, 720],
  [360, 640],
] as const;
const PICTURES = SIZES.length * FPS;

type Codec = "vp8" | "h264";

let folder: string;
let ffmpeg: string;
let browser: Browser;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-policies-"));
  ffmpeg = await locateFfmpeg();
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

async function clip(codec: Codec, width: number, height: number): Promise<SampleStore> {
  const path = join(folder, `${codec}-${width}x${height}.mkv`);
  if (existsSync(path)) return SampleStore.open(path);
  const encoder =
    codec === "vp8"
      ? ["-c:v", "libvpx", "-b:v", "800k", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"]
      : ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"];
  const source = `testsrc2=s=${width}x${height}:r=${FPS}:d=1,format=yuv420p`;
  await run(ffmpeg, ["-v", "error", "-f", "lavfi", "-i", source, ...encoder, "-g", "50", "-y", path]);
  return SampleStore.open(path);
}

/** Records a second of each size with sound; `without`: the pictures of this second (counted from 0) never come. */
async function recorded(
  codec: Codec,
  format: "auto" | "mp4",
  o: { policy: Partial<RecordingPolicy>; sizes?: readonly (readonly [number, number])[]; without?: number },
) {
  const directory = await mkdtemp(join(folder, "session-"));
  const journal = new Journal(directory);
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const policy = { ...defaultPolicy, ...o.policy };
  const recorder = new Recorder({ directory, format, ffmpeg, journal, attempt: 0, onFailure, policy });
  const participant = { id: "p", name: "p", recorder: false };
  recorder.addTrack({ id: "mic", kind: "audio", source: "microphone", participant });
  recorder.addTrack({ id: "cam", kind: "video", source: "camera", participant });
  for (const [part, [width, height]] of (o.sizes ?? SIZES).entries()) {
    const store = await clip(codec, width, height);
    const pictures = part === o.without ? [] : (store.index.video ?? []);
    for (let t = 0; t < 1000; t += 20) {
      const time = micros((part * 1000 + t) * 1000);
      const common = { time, rtpTime: 0, lostBefore: 0 };
      recorder.frame("mic", {
        ...common,
        codec: "opus",
        data: OPUS_SILENCE,
        keyframe: true,
        duration: 20_000,
      });
      const i = pictures.findIndex((p) => p.time === t * 1000);
      if (i >= 0) {
        const keyframe = pictures[i]?.keyframe === true;
        const size = keyframe ? { width, height } : {};
        recorder.frame("cam", { ...common, codec, data: store.read("video", i), keyframe, ...size });
      }
      recorder.tick(time);
    }
    store.close();
  }
  await recorder.finish();
  await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  journal.close();
  expect(failures).toEqual([]);
  const files = manifestOf(readJournal(directory)).files.toSorted((a, b) => a.startMs - b.startMs);
  return files.map((f) => ({ ...f, path: join(directory, f.path) }));
}

/** Runs in the page. */
const PLAY = `async (url) => {
  const video = document.createElement("video");
  const sizes = [];
  video.addEventListener("resize", () => sizes.push(video.videoWidth + "x" + video.videoHeight));
  video.muted = true;
  video.playbackRate = 4;
  video.src = url;
  document.body.append(video);
  const over = new Promise((resolve) => {
    for (const name of ["ended", "error"]) video.addEventListener(name, resolve, { once: true });
  });
  await video.play().catch(() => undefined);
  await over;
  return { sizes, end: video.currentTime, error: video.error?.message };
}`;

/** Plays a file to its end as fast as a browser can. Its sizes, in order, and where it ended. */
async function played(path: string): Promise<{ sizes: string[]; end: number; error: string | undefined }> {
  browser ??= await launchChromium();
  const page = await browser.newPage();
  try {
    await page.goto(`file://${folder}`);
    return await page.evaluate(`(${PLAY})(${JSON.stringify(`file://${path}`)})`);
  } finally {
    await page.close();
  }
}

const named = (sizes: readonly (readonly [number, number])[]) => sizes.map(([w, h]) => `${w}x${h}`);

describeWith("a picture that changes its size", [findChromium()], () => {
  test.each(["vp8", "h264"] as const)("%s is kept in one file with every size", async (codec) => {
    const [file, ...more] = await recorded(codec, "auto", { policy: { onResize: "keep" } });
    expect(more).toEqual([]);
    const path = file?.path ?? "";
    expect(await inspectFile(path)).toMatchObject({ video: { decoded: PICTURES }, errors: [] });
    const seen = await played(path);
    expect(seen.error).toBeUndefined();
    // The header tells the largest size before the first picture is there.
    expect(seen.sizes.slice(-SIZES.length)).toEqual(named(SIZES));
    expect(seen.end).toBeCloseTo(4, 1);
  });

  test.each(["vp8", "h264"] as const)("%s makes a file of each size", async (codec) => {
    const files = await recorded(codec, codec === "h264" ? "mp4" : "auto", { policy: { onResize: "split" } });
    expect(files.map((f) => f.startMs)).toEqual([0, 1000, 2000, 3000]);
    for (const [i, file] of files.entries()) {
      const { video, errors } = await inspectFile(file.path);
      expect([video?.decoded, errors]).toEqual([FPS, []]);
      // A browser's look at the first and at the one that is turned tells of the others.
      if (i !== 0 && i !== SIZES.length - 1) continue;
      const seen = await played(file.path);
      expect(seen.error).toBeUndefined();
      expect(seen.sizes).toEqual(named(SIZES.slice(i, i + 1)));
      expect(Math.abs(seen.end - 1)).toBeLessThan(0.06);
    }
  });

  test.each([
    ["vp8", "auto"],
    ["h264", "mp4"],
  ] as const)("%s as %s is scaled onto the largest", async (codec, format) => {
    const [file, ...more] = await recorded(codec, format, { policy: { onResize: "scale" } });
    expect(more).toEqual([]);
    const path = file?.path ?? "";
    expect(file?.tracks).toContainEqual(expect.objectContaining({ width: 1280, height: 720 }));
    expect(await inspectFile(path)).toMatchObject({ video: { decoded: PICTURES }, errors: [] });
    const seen = await played(path);
    expect(seen.error).toBeUndefined();
    expect(seen.sizes).toEqual(["1280x720"]);
    expect(Math.abs(seen.end - 4)).toBeLessThan(0.06);
  });
});

const SMALL = [
  [320, 180],
  [320, 180],
  [320, 180],
] as const;

test.each([
  ["keep", 2 * FPS, 200],
  ["hold", 90, 200],
  ["black", 90, 18],
] as const)(
  "with missing pictures and %s there are %i, as bright as %i at most in the hole",
  async (videoGaps, pictures, most) => {
    const [file] = await recorded("vp8", "auto", { policy: { videoGaps }, sizes: SMALL, without: 1 });
    const path = file?.path ?? "";
    const { video, errors } = await inspectFile(path);
    expect(errors).toEqual([]);
    expect(Math.abs((video?.decoded ?? 0) - pictures)).toBeLessThanOrEqual(2);
    const mean = async (at: number) => {
      const { stderr } = await run(ffmpeg, [
        ...["-ss", `${at}`, "-i", path, "-frames:v", "1"],
        ...["-vf", "signalstats,metadata=print", "-f", "null", "-"],
      ]);
      return Number(/YAVG=([\d.]+)/.exec(stderr)?.[1]);
    };
    expect(await mean(1.5)).toBeLessThanOrEqual(most);
    if (videoGaps !== "black") expect(await mean(1.5)).toBeGreaterThan(50);
    expect(await mean(2.5)).toBeGreaterThan(50);
  },
);
