import { describe, expect, test } from "vitest";
import { MinimumQueue } from "../../../src/core/media/minimum-queue.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";

describe("the minimum of a sliding window", () => {
  test("equals that of a plain search, within the resolution of the window", () => {
    const random = seededRandom(2);
    const q = new MinimumQueue(1000);
    const all: { at: number; value: number }[] = [];
    for (let at = 0; at < 60_000; at += 1 + 20 * random()) {
      const value = 100 * random() + at / 100;
      q.push(value, millis(at));
      all.push({ at, value });
      const least = (window: number) =>
        Math.min(
          ...all
            .slice(-2000)
            .filter((x) => x.at >= at - window)
            .map((x) => x.value),
        );
      expect(q.minimum).toBeGreaterThanOrEqual(least(1000));
      expect(q.minimum).toBeLessThanOrEqual(least(990));
    }
  });

  test("remembers the best for the whole window however many values come", () => {
    const q = new MinimumQueue(120_000);
    q.push(0, millis(0));
    for (let at = 1; at <= 119_000; at += 5) q.push(10 + at, millis(at));
    expect(q.minimum).toBe(0);
    q.push(1e6, millis(121_000));
    expect(q.minimum).toBeGreaterThan(10);
  });

  test("keeps one value when all are too old, and none after a reset", () => {
    const q = new MinimumQueue(1000);
    expect(q.minimum).toBeUndefined();
    q.push(5, millis(0));
    q.push(9, millis(1e6));
    expect(q.minimum).toBe(9);
    q.reset();
    expect(q.minimum).toBeUndefined();
    expect(q.grown(1, millis(0))).toBeUndefined();
  });

  test("grows its values where the clock that they are taken from is slow", () => {
    const q = new MinimumQueue(10_000);
    for (let at = 0; at <= 5000; at += 500) q.push(at * 0.001, millis(at));
    expect(q.minimum).toBe(0);
    expect(q.grown(0.001, millis(5000))).toBeCloseTo(5, 9);
  });
});
