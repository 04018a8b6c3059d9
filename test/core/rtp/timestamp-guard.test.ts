import { describe, expect, it } from "vitest";
import { TimestampGuard } from "../../../src/core/rtp/timestamp-guard.ts";
import { millis } from "../../../src/core/time.ts";

const CLOCK = 90_000;
const START = 0xffff0000;

function guard() {
  const g = new TimestampGuard(CLOCK);
  const push = (ts: number, at: number) => g.accept(ts >>> 0, millis(at));
  return { g, push };
}

describe("RTP timestamps", () => {
  it("runs on over the wrap", () => {
    const { g, push } = guard();
    const first = push(START, 0) ?? 0;
    for (let i = 1; i < 100; i++) expect(push(START + 3000 * i, 33 * i)).toBe(first + 3000 * i);
    expect(g.epoch).toBe(0);
  });

  it("drops a stray zero and goes on", () => {
    const { g, push } = guard();
    const first = push(0x40000000, 0) ?? 0;
    expect(push(0, 33)).toBeUndefined();
    expect(push(0x40000000 + 3000, 66)).toBe(first + 3000);
    expect(push(0, 99)).toBeUndefined();
    expect(g.epoch).toBe(0);
  });

  it("drops a whole frame of zeros, and believes them only when nothing else comes", () => {
    const { g, push } = guard();
    const first = push(0x40000000, 0) ?? 0;
    for (let i = 0; i < 10; i++) expect(push(0, 33)).toBeUndefined();
    expect(push(0x40000000 + 6000, 66)).toBe(first + 6000);
    expect(g.epoch).toBe(0);
    expect(push(0, 100)).toBeUndefined();
    expect(push(0, 2066)).toBeDefined();
    expect(g.epoch).toBe(1);
  });

  it("runs on over two wraps with gaps of most of what it takes for a jump", () => {
    const { g, push } = guard();
    const start = 2 ** 32 - 90_000;
    const first = push(start, 0) ?? 0;
    let ts = 0;
    for (let at = 0; ts < 2 * 2 ** 32; at += 29_000) {
      ts = at * 90;
      expect(push((start + ts) % 2 ** 32, at)).toBe(first + ts);
    }
    expect(g.epoch).toBe(0);
  });

  it("takes two strays that agree for a new clock", () => {
    const { g, push } = guard();
    push(0x40000000, 0);
    expect(push(7, 33)).toBeUndefined();
    expect(push(3007, 66)).toBeGreaterThanOrEqual(0);
    expect(g.epoch).toBe(1);
  });

  it("does not join two strays that differ", () => {
    const { g, push } = guard();
    push(0x40000000, 0);
    expect(push(7, 33)).toBeUndefined();
    expect(push(0x60000000, 66)).toBeUndefined();
    expect(g.epoch).toBe(0);
  });

  it("believes a jump after a pause, or after the sender restarted", () => {
    const { g, push } = guard();
    push(0x40000000, 0);
    expect(push(0, 2000)).toBeDefined();
    expect(g.epoch).toBe(1);
    g.restart();
    expect(push(0x70000000, 2001)).toBeDefined();
    expect(g.epoch).toBe(2);
  });

  it("never gives a negative value when the first packets were overtaken", () => {
    const { push } = guard();
    push(0, 0);
    expect(push(-3000, 1)).toBe(2 ** 32 - 3000);
  });

  it("of a new clock are later than those of the old, whichever number it begins with", () => {
    const { g, push } = guard();
    let newest = push(0xf0000000, 0) ?? 0;
    for (const [i, start] of [0x10000000, 0x08000000, 0xe0000000, 0, 0x80000000].entries()) {
      const first = push(start, 10_000 * (i + 1)) ?? 0;
      expect(g.epoch).toBe(i + 1);
      expect(first % 2 ** 32).toBe(start);
      // Overtaken packets of the new clock as well.
      expect(push(start - 3000, 10_000 * (i + 1) + 1)).toBe(first - 3000);
      expect(first - 3000).toBeGreaterThan(newest);
      newest = push(start + 3000, 10_000 * (i + 1) + 30) ?? 0;
      expect(newest).toBe(first + 3000);
    }
  });

  it("stay exact however often the clock is new", () => {
    const { push } = guard();
    for (let i = 0; i < 1_200_000; i++) {
      const ts = i % 2 === 0 ? 0x80000001 : 1;
      const value = push(ts, 2000 * i) ?? 0;
      if (value % 2 ** 32 !== ts || value > 2 ** 52) expect.fail(`${value} after ${i} clocks`);
    }
  });
});
