import { afterEach, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { ProgramEncoder } from "../../src/sinks/program/encoder.ts";
import type { ProgramFormat, ProgramSample, ProgramSink } from "../../src/sinks/program/program.ts";
import { until } from "../support/until.ts";

/** Keeps all that it gets, in order. */
class Collector implements ProgramSink {
  readonly name = "collector";
  readonly formats: ProgramFormat[] = [];
  readonly samples: ProgramSample[] = [];
  /** How many samples there were at each interruption. */
  readonly interruptions: number[] = [];
  closed = 0;

  format(f: ProgramFormat): void {
    this.formats.push(f);
  }
  sample(s: ProgramSample): void {
    this.samples.push(s);
  }
  interruption(): void {
    this.interruptions.push(this.samples.length);
  }
  async close(): Promise<void> {
    this.closed++;
  }
  status() {
    return { state: "running", bytes: 0, dropped: 0, attempts: 1 } as const;
  }
  video(rendition: number): ProgramSample[] {
    return this.samples.filter((s) => s.kind === "video" && s.rendition === rendition);
  }
  get audio(): ProgramSample[] {
    return this.samples.filter((s) => s.kind === "audio");
  }
}

const FPS = 30;
const [WIDTH, HEIGHT] = [320, 180];

let running: { encoder: ProgramEncoder; stop: () => void } | undefined;

afterEach(async () => {
  running?.stop();
  await running?.encoder.close();
});

/** Feeds an encoder at the pace of a camera, from picture 90 on. */
async function streaming() {
  const sink = new Collector();
  const failures: string[] = [];
  const encoder = new ProgramEncoder({
    ffmpeg: await locateFfmpeg(),
    ...{ width: WIDTH, height: HEIGHT, framesPerSecond: FPS, audioBitrate: 96_000, keyframeMs: 1000 },
    renditions: [
      { width: WIDTH, height: HEIGHT, videoBitrate: 300_000 },
      { width: 160, height: 90, videoBitrate: 100_000 },
    ],
    sinks: [sink],
    onFailure: (e) => failures.push(e.message),
  });
  const pixels = new Uint8Array((WIDTH * HEIGHT * 3) / 2).fill(128);
  const begun = performance.now();
  let index = 90;
  // Sound comes in pieces that do not fit to the pictures, and begins before them.
  let sample = 144_000 - 999;
  const timer = setInterval(() => {
    const now = performance.now() - begun;
    for (; (index - 90) * (1000 / FPS) <= now; index++) {
      pixels.fill(index % 200, 0, WIDTH * HEIGHT);
      encoder.picture(pixels, index);
    }
    for (; ((sample - 144_000) * 1000) / 48_000 <= now; sample += 480)
      encoder.sound(new Uint8Array(4 * 480), sample);
  }, 10);
  running = { encoder, stop: () => clearInterval(timer) };
  const pictures = (n: number) => until(`${n} pictures`, () => sink.video(1).length >= n, 15_000);
  return { sink, encoder, failures, pictures, stop: () => clearInterval(timer), fed: () => index };
}

const ticks = (index: number) => index * 3000;

test("every picture keeps its place in time, and sound has no hole", async () => {
  const { sink, encoder, pictures, stop, fed } = await streaming();
  await pictures(60);
  stop();
  await encoder.close();
  const count = fed() - 90 - encoder.status.dropped;
  for (const rendition of [0, 1]) {
    const video = sink.video(rendition);
    expect(video).toHaveLength(count);
    const times = video.map((s) => s.time);
    expect(times[0]).toBe(ticks(90));
    expect(times.every((t) => Number.isInteger(t / 3000))).toBe(true);
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
    expect(video.filter((s) => s.keyframe).map((s) => s.time)).toEqual(
      expect.arrayContaining([ticks(90), ticks(120)]),
    );
  }
  const { audio } = sink;
  expect(audio.map((s) => s.time)).toEqual(audio.map((_, i) => 144_000 + 1024 * i));
  expect(audio.length).toBeGreaterThan(80);
  expect(sink.formats.map((f) => [f.rendition, f.video.width, f.audio.channels])).toEqual([
    [0, 320, 2],
    [1, 160, 2],
  ]);
  expect(sink.closed).toBe(1);
});

test("an encoder that is killed is started again, and time goes on as if it had not been", async () => {
  const { sink, encoder, failures, pictures } = await streaming();
  await pictures(15);
  const { pid } = encoder.status;
  process.kill(pid ?? 0, "SIGKILL");
  await until("another encoder", () => sink.formats.length >= 4, 15_000);
  const before = sink.interruptions[0] ?? 0;
  await until("its pictures", () => sink.samples.length > before + 60, 15_000);
  expect(failures).toEqual([expect.stringContaining("SIGKILL")]);
  expect(encoder.status.starts).toBe(2);
  expect(encoder.status.pid).not.toBe(pid);
  expect(sink.interruptions).toHaveLength(1);
  const after = sink.samples.slice(before);
  const firstPicture = after.find((s) => s.kind === "video" && s.rendition === 0);
  const firstSound = after.find((s) => s.kind === "audio");
  expect(firstPicture?.keyframe).toBe(true);
  // Both begin at the same time, and after what there was.
  expect((firstSound?.time ?? 0) / 48_000).toBeCloseTo((firstPicture?.time ?? 0) / 90_000, 3);
  expect(firstPicture?.time).toBeGreaterThan(sink.samples[before - 1]?.time ?? Number.NaN);
});

test("an encoder that stands still is replaced", async () => {
  const { sink, encoder, failures, pictures } = await streaming();
  await pictures(15);
  process.kill(encoder.status.pid ?? 0, "SIGSTOP");
  await until("another encoder", () => sink.formats.length >= 4, 20_000);
  expect(failures).toEqual(["the encoder stood still"]);
  expect(encoder.status.dropped).toBeGreaterThan(0);
});
