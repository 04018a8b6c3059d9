import { describe, expect, test } from "vitest";
import { ClockOffset, SharedOffset, slew } from "../../../src/core/media/clock-offset.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";

describe("the offset of a remote clock", () => {
  test.each([-200, -50, 0, 50, 200])(
    "is followed within a few milliseconds when it drifts by %i ppm",
    (ppm) => {
      const random = seededRandom(3);
      const o = new ClockOffset();
      for (let t = 0; t < 3_600_000; t += 1000) {
        const sent = t * (1 + ppm * 1e-6);
        o.push(sent + 5e5, millis(t + 20 + 30 * random()));
        const truth = t + 20 - sent - 5e5;
        if (t > 600_000) expect(Math.abs((o.best ?? 0) - truth)).toBeLessThan(10);
      }
    },
  );

  test("forgets what it knew when the clock is another", () => {
    const o = new ClockOffset();
    o.push(1000, millis(1020));
    expect(o.best).toBe(20);
    o.reset();
    expect(o.best).toBeUndefined();
  });
});

describe("an offset that tracks share", () => {
  test("is the smallest that any sees, and moves by at most 5 ms a second", () => {
    const shared = new SharedOffset();
    const [a, b] = [new ClockOffset(), new ClockOffset()];
    expect(shared.at(millis(0))).toBeUndefined();
    a.push(0, millis(100));
    shared.include(a, true, millis(100));
    expect(shared.at(millis(100))).toBe(100);
    b.push(100, millis(120));
    shared.include(b, true, millis(120));
    let last = 100;
    for (let t = 140; t < 60_000; t += 20) {
      const now = shared.at(millis(t)) ?? 0;
      expect(last - now).toBeGreaterThanOrEqual(0);
      expect(last - now).toBeLessThanOrEqual(0.1 * 2 + 1e-9);
      last = now;
    }
    expect(last).toBeCloseTo(20, 1);
  });

  test("leaves out whom it does not include, and who has long been silent", () => {
    const shared = new SharedOffset();
    const [a, b] = [new ClockOffset(), new ClockOffset()];
    a.push(0, millis(10));
    b.push(0, millis(5));
    shared.include(a, true, millis(10));
    shared.include(b, true, millis(10));
    expect(shared.bestWithout(b, millis(20))).toBe(10);
    shared.include(b, false, millis(20));
    expect(shared.bestWithout(undefined, millis(20))).toBe(10);
    expect(shared.bestWithout(undefined, millis(200_000))).toBeUndefined();
  });

  test("does not keep count of SSRCs that come and go for ever", () => {
    const shared = new SharedOffset();
    const all = Array.from({ length: 1000 }, (_, i) => {
      const o = new ClockOffset();
      o.push(0, millis(i));
      shared.include(o, true, millis(i));
      return o;
    });
    expect(all.filter((o) => shared.includes(o))).toHaveLength(64);
    for (const o of all) shared.include(o, false, millis(1000));
    expect(shared.at(millis(1000))).toBeUndefined();
  });
});

test("a correction is never faster than 5 ms a second, and never more than the error", () => {
  expect(slew(1000, 1000)).toBe(5);
  expect(slew(-1000, 20)).toBeCloseTo(-0.1, 9);
  expect(slew(1, 1000)).toBeCloseTo(0.25, 9);
  expect(slew(3, 1e9)).toBe(3);
  expect(slew(3, 0)).toBe(0);
});
