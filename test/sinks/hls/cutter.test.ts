import { describe, expect, test } from "vitest";
import { Cutter, type Piece } from "../../../src/sinks/hls/cutter.ts";
import type { ProgramFormat } from "../../../src/sinks/program/program.ts";

const SECOND = 90_000;
const format = (config: number): ProgramFormat => ({
  rendition: 0,
  video: { codec: "h264", config: Uint8Array.of(config), width: 320, height: 180 },
  audio: { codec: "aac", config: Uint8Array.of(0x11, 0x90), sampleRate: 48_000, channels: 2 },
});
const sound = (n: number) =>
  ({ kind: "audio", data: new Uint8Array(8), time: n * 1024, duration: 1024, keyframe: true }) as const;

/** Cuts segments of two seconds out of pictures at these times, with sound all along. */
function cut(times: readonly number[], keyframe: (i: number) => boolean, part?: number): Piece[] {
  const cutter = new Cutter({
    ...{ segment: 2 * SECOND, longestSegment: 2.49 * SECOND },
    part: part === undefined ? undefined : part * SECOND,
  });
  cutter.format(format(1));
  let heard = 0;
  const pieces = times.flatMap((t, i) => {
    const time = Math.round(t * SECOND);
    const out = cutter.sample({
      ...{
        kind: "video",
        rendition: 0,
        data: new Uint8Array(8),
        time,
        duration: 3000,
        keyframe: keyframe(i),
      },
    });
    while (heard * 1024 < (t + 0.05) * 48_000) out.push(...cutter.sample(sound(heard++)));
    return out;
  });
  return [...pieces, ...cutter.end()];
}

const every = (fps: number, seconds: number) => Array.from({ length: fps * seconds }, (_, i) => i / fps);
const lengths = (pieces: readonly Piece[]) => pieces.map((p) => (p.end - p.start) / SECOND);

describe("parts", () => {
  test.each([
    [30, 0.2],
    [30, 0.25],
    [24, 0.2],
    [25, 0.3],
    [15, 0.25],
    [10, 0.25],
    [5, 0.25],
    [2, 0.25],
  ])("of %d pictures a second last no longer than %d s, nor much shorter", (fps, part) => {
    const pieces = cut(every(fps, 8), (i) => i % (2 * fps) === 0, part);
    for (const p of pieces) {
      const length = (p.end - p.start) / SECOND;
      expect(length).toBeLessThanOrEqual(part + 1e-9);
      if (!p.endsSegment) expect(length).toBeGreaterThanOrEqual(0.85 * part);
    }
    expect(pieces.flatMap((p) => p.video)).toHaveLength(8 * fps);
    expect(pieces.filter((p) => p.startsSegment).every((p) => p.independent)).toBe(true);
  });

  test("keep that where pictures come at any time, and cover all of it", () => {
    let t = 0;
    const times = Array.from({ length: 400 }, (_, i) => (t += ((i * 7919) % 97) / 500));
    const pieces = cut(times, (i) => i % 20 === 0, 0.25);
    for (const [i, p] of pieces.entries()) {
      expect((p.end - p.start) / SECOND).toBeLessThanOrEqual(0.25 + 1e-9);
      if (!p.endsSegment) expect((p.end - p.start) / SECOND).toBeGreaterThanOrEqual(0.85 * 0.25);
      const next = pieces[i + 1];
      if (next) expect(next.start).toBe(p.end);
    }
    expect(pieces.flatMap((p) => p.video)).toHaveLength(400);
  });
});

describe("segments", () => {
  test("end at a keyframe before their time when the next one would come too late", () => {
    const pieces = cut(every(30, 12), (i) => i % 56 === 0);
    expect(pieces.every((p) => p.independent)).toBe(true);
    expect(
      lengths(pieces)
        .slice(0, -1)
        .every((l) => Math.abs(l - 56 / 30) < 0.001),
    ).toBe(true);
  });

  test("do not last longer than they may when a picture is late", () => {
    const times = [...every(30, 8)].filter((t) => t % 4 < 2.2 || t % 4 > 2.6);
    const pieces = cut(times, (i) => i === 0, 0.25);
    let start = 0;
    for (const p of pieces) {
      if (p.startsSegment) start = p.start;
      expect(p.end - start).toBeLessThanOrEqual(2.49 * SECOND);
    }
    expect(pieces.flatMap((p) => p.video)).toHaveLength(times.length);
  });

  test("begin anew behind a hole that none can hold", () => {
    const times = every(30, 12).filter((t) => t < 3 || t >= 8);
    const pieces = cut(times, (i) => (i >= 90 ? (i - 90) % 60 === 0 : i % 60 === 0));
    expect(pieces.map((p) => [p.start / SECOND, p.discontinuity])).toEqual([
      [0, false],
      [2, false],
      [8, true],
      [10, false],
    ]);
    expect(Math.max(...lengths(pieces))).toBeLessThanOrEqual(2.49);
    // Sound of the hole is in no segment.
    const [, , third] = pieces;
    expect((third?.audio[0]?.time ?? 0) / 48_000).toBeGreaterThanOrEqual(8);
  });

  test("keep their sound when the picture changes before it came", () => {
    const cutter = new Cutter({ segment: 2 * SECOND, longestSegment: 2.49 * SECOND, part: undefined });
    const out = [...cutter.format(format(1))];
    const picture = (n: number, keyframe: boolean) =>
      out.push(
        ...cutter.sample({
          ...{
            kind: "video",
            rendition: 0,
            data: new Uint8Array(8),
            time: n * 3000,
            duration: 3000,
            keyframe,
          },
        }),
      );
    for (let n = 0; n < 30; n++) picture(n, n === 0);
    for (let n = 0; n < 40; n++) out.push(...cutter.sample(sound(n)));
    out.push(...cutter.format(format(2)));
    picture(30, true);
    for (let n = 40; n < 60; n++) out.push(...cutter.sample(sound(n)));
    expect(out[0]?.audio.map((a) => a.time / 1024)).toEqual(Array.from({ length: 47 }, (_, i) => i));
  });
});
