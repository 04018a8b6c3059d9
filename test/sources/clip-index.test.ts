import { describe, expect, test } from "vitest";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { SampleLoop } from "../../src/core/media/sample-loop.ts";
import { millis } from "../../src/core/time.ts";
import { ClipScan, loopClip, sampleIndexOf } from "../../src/sources/clip-index.ts";

const PRE_SKIP = 312;
const opusHead = Uint8Array.of(79, 112, 117, 115, 72, 101, 97, 100, 1, 2, PRE_SKIP & 255, PRE_SKIP >> 8);
const tracks: MatroskaTrack[] = [
  { number: 1, kind: "video", codecId: "V_VP8", width: 640, height: 360, defaultDurationNs: 33_333_333 },
  { number: 2, kind: "audio", codecId: "A_OPUS", codecPrivate: opusHead, sampleRate: 48_000, channels: 2 },
];

/** A clip of blocks at these milliseconds, with keyframes every 30 frames. */
function clipOf(video: readonly number[], audio: readonly number[], packetUs = 20_000) {
  const scan = new ClipScan();
  scan.push({ t: "tracks", tracks });
  const block = (track: number, keyframe: boolean) => (timeMs: number, i: number) =>
    scan.push({ t: "block", track, timeMs, keyframe: keyframe || i % 30 === 0, offset: i, size: 1, end: 0 });
  video.forEach(block(1, false));
  audio.forEach(block(2, true));
  return loopClip(scan.video, scan.audio, () => packetUs);
}

const rounded = (n: number, stepMs: number, from = 0) =>
  Array.from({ length: n }, (_, i) => Math.round(from + i * stepMs));

describe("a prepared clip as a loop", () => {
  test("times that the container rounded are exact again", () => {
    const { video } = clipOf(rounded(300, 1000 / 30), []);
    expect(video.map((s) => s.time)).toEqual(
      Array.from({ length: 300 }, (_, n) => Math.round((n * 1e6) / 30)),
    );
  });

  test.each([0, 7])("sound is placed where it decodes to when the first packet is at %d ms", (first) => {
    const { audio, durationUs } = clipOf(rounded(300, 1000 / 30), rounded(501, 20, first));
    expect(durationUs).toBe(10_000_000);
    expect(audio).toHaveLength(500);
    expect(audio[0]?.time).toBe(13_500);
    expect(audio.at(-1)?.time).toBe(9_993_500);
  });

  test("the loop's seam has no gap and no overlap in either track", () => {
    const clip = clipOf(rounded(300, 1000 / 30), rounded(501, 20));
    const loop = new SampleLoop(sampleIndexOf(clip), { start: millis(0) });
    const times: Record<"audio" | "video", number[]> = { audio: [], video: [] };
    for (let now = 0; now < 25_000; now += 10)
      for (let s = loop.poll(millis(now)); s; s = loop.poll(millis(now))) times[s.track].push(s.mediaTimeUs);
    const steps = (t: readonly number[]) => new Set(t.slice(1).map((v, i) => v - (t[i] ?? 0)));
    expect([...steps(times.audio)]).toEqual([20_000]);
    expect([...steps(times.video)].sort()).toEqual([33_333, 33_334]);
  });

  test("sound alone starts over without a gap", () => {
    const { audio, durationUs } = clipOf([], rounded(101, 20));
    expect(durationUs + (audio[0]?.time ?? 0)).toBe((audio.at(-1)?.time ?? 0) + 20_000);
  });

  test("the longer track says how long the loop is", () => {
    expect(clipOf(rounded(60, 1000 / 30), rounded(50, 20)).durationUs).toBe(2_000_000);
    const long = clipOf(rounded(30, 1000 / 30), rounded(200, 20));
    expect(long.durationUs + (long.audio[0]?.time ?? 0)).toBe((long.audio.at(-1)?.time ?? 0) + 20_000);
  });

  test("a pause in the file stays a pause", () => {
    const { video } = clipOf([0, 33, 67, 500, 533], []);
    expect(video.map((s) => s.time)).toEqual([0, 33_333, 66_667, 500_000, 533_333]);
  });

  test("a packet that reaches into the next pass is left out", () => {
    const { audio, durationUs } = clipOf(rounded(30, 1000 / 30), rounded(53, 20));
    expect(durationUs).toBe(1_000_000);
    expect((audio.at(-1)?.time ?? 0) + 20_000).toBeLessThanOrEqual(durationUs + (audio[0]?.time ?? 0));
  });

  test("a file without frames to send is no clip", () => {
    expect(() => clipOf([], [])).toThrow(expect.objectContaining({ code: "media-invalid" }));
    const scan = new ClipScan();
    scan.push({ t: "tracks", tracks: [{ ...tracks[1], codecId: "A_AAC" } as MatroskaTrack] });
    expect(scan.audio).toBeUndefined();
  });
});
