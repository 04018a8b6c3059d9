import { describe, expect, test } from "vitest";
import { SoundRing } from "../../../src/sinks/stage/sound-ring.ts";

/** Stereo samples that say where they belong: left n, right -n, n from `first` on. */
function ramp(first: number, count: number): Int16Array {
  const out = new Int16Array(2 * count);
  for (let i = 0; i < count; i++) {
    out[2 * i] = (first + i) % 30_000;
    out[2 * i + 1] = -((first + i) % 30_000);
  }
  return out;
}

const left = (piece: Int16Array) => Array.from({ length: piece.length / 2 }, (_, i) => piece[2 * i] ?? 0);

function read(ring: SoundRing, from: number, count: number, take = count): number[] | undefined {
  const into = new Int16Array(2 * count);
  return ring.read(from, take, count, into) ? left(into) : undefined;
}

/** A ring with pieces of 20 ms from 10,000 on. */
function filled(pieces: number): SoundRing {
  const ring = new SoundRing();
  for (let i = 0; i < pieces; i++) ring.write(10_000 + 960 * i, ramp(10_000 + 960 * i, 960));
  return ring;
}

describe("sound between decoding and playing", () => {
  test("every sample is heard once, at its place", () => {
    const ring = filled(10);
    expect(read(ring, 9000, 1000)).toBeUndefined();
    for (let at = 10_000; at < 19_600; at += 800)
      expect(read(ring, at, 800)?.slice(200)).toEqual(left(ramp(at, 800)).slice(200));
    expect(read(ring, 19_600, 800)).toBeUndefined();
    expect(ring.late).toBe(0);
  });

  test("what was played is gone also where the ring comes round", () => {
    const ring = filled(10);
    for (let at = 9_600; at < 400_000; at += 1600) {
      const heard = read(ring, at, 1600);
      if (at >= 19_600) expect(heard).toBeUndefined();
    }
    expect(read(ring, 10_000, 1600)).toBeUndefined();
  });

  test("a hole is silence, and begins and ends without a click", () => {
    const ring = filled(2);
    ring.write(10_000 + 960 * 5, ramp(10_000, 960));
    const heard = read(ring, 10_000, 960 * 6) ?? [];
    expect(heard.slice(1920, 4800).every((v) => v === 0)).toBe(true);
    const steps = heard.map((v, i) => Math.abs(v - (heard[i - 1] ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(200);
    expect(heard.slice(4920, 5760)).toEqual(left(ramp(10_120, 840)));
  });

  test("jitter of times moves nothing", () => {
    const ring = new SoundRing();
    for (const [i, off] of [0, 40, -50, 70, -80, 90, 0, -20].entries())
      ring.write(10_000 + 960 * i + off, ramp(10_000 + 960 * i, 960));
    expect(read(ring, 10_200, 7000)).toEqual(left(ramp(10_200, 7000)));
  });

  test.each([
    ["fast", 1.0003],
    ["slow", 0.9997],
  ])("a clock that is too %s is followed without a hole", (_, pace) => {
    const ring = new SoundRing();
    const tone = new Int16Array(1920).fill(1000);
    let worst = 0;
    for (let i = 0; i < 1500; i++) {
      ring.write(10_000 + 960 * i * pace, tone);
      if (i < 10) continue;
      const heard = read(ring, Math.round(10_000 + 960 * pace * (i - 4)) - 960, 960) ?? [];
      worst = Math.max(worst, heard.filter((v) => v !== 1000).length);
    }
    expect(worst).toBeLessThanOrEqual(1);
    expect(ring.late).toBe(0);
  });

  test("sound that comes too late is counted, not played", () => {
    const ring = filled(2);
    read(ring, 10_000, 4000);
    ring.write(11_920, ramp(11_920, 960));
    expect(ring.late).toBe(960);
    ring.write(13_900, ramp(13_900, 960));
    expect(ring.late).toBe(1060);
    expect(read(ring, 14_000, 800)?.slice(150)).toEqual(left(ramp(14_150, 650)));
  });

  test("more samples in less time: each moves a little", () => {
    const ring = filled(3);
    const heard = read(ring, 10_200, 1000, 1003) ?? [];
    expect(heard[0]).toBe(10_200);
    expect(heard.at(-1)).toBe(11_201);
    const steps = heard.slice(1).map((v, i) => v - (heard[i] ?? 0));
    expect([Math.min(...steps), Math.max(...steps)]).toEqual([1, 2]);
    expect(read(ring, 11_203, 5)).toEqual([11_203, 11_204, 11_205, 11_206, 11_207]);
  });

  test("going back in time gives silence for what was heard already", () => {
    const ring = filled(10);
    read(ring, 10_000, 4000);
    const heard = read(ring, 13_000, 1600) ?? [];
    expect(heard.slice(0, 1000).every((v) => v === 0)).toBe(true);
    expect(heard.slice(1000)).toEqual(left(ramp(14_000, 600)));
  });

  test("a place far in the future does not fit, and is counted", () => {
    const ring = filled(1);
    ring.write(10_000_000, ramp(0, 960));
    expect(ring.lost).toBe(960);
    ring.write(11_000, ramp(11_000, 960));
    expect(read(ring, 11_000, 960)?.slice(200)).toEqual(left(ramp(11_200, 760)));
  });
});
