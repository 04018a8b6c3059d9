import { describe, expect, it } from "vitest";
import { RateMeter } from "../../../src/core/stats/rate-meter.ts";
import { millis } from "../../../src/core/time.ts";

describe("the rate over the last second", () => {
  it("is zero until there are two samples", () => {
    const m = new RateMeter();
    expect(m.perSecond).toBe(0);
    expect(m.sample(1000, millis(5))).toBe(0);
    expect(m.sample(1000, millis(6))).toBe(0);
  });

  it("follows samples a second apart, early and late ones", () => {
    const m = new RateMeter();
    m.sample(0, millis(0));
    expect(m.sample(500, millis(1000))).toBe(500);
    expect(m.sample(500 + 1010, millis(2010))).toBe(1000);
    expect(m.sample(1510, millis(3000))).toBeCloseTo(0, 0);
    expect(m.sample(1510, millis(4000))).toBe(0);
  });

  it("looks back one second, however dense the samples are", () => {
    const m = new RateMeter();
    let last = 0;
    for (let t = 0; t <= 5000; t += 10) last = m.sample(t < 3000 ? t : 3000, millis(t));
    expect(last).toBe(0);
    for (let t = 5010; t <= 5500; t += 10) last = m.sample(3000 + 2 * (t - 5000), millis(t));
    expect(Math.abs(last - 1050)).toBeLessThan(110);
  });

  it("starts over when the counter does", () => {
    const m = new RateMeter();
    m.sample(1_000_000, millis(0));
    expect(m.sample(10, millis(1000))).toBe(0);
    expect(m.sample(110, millis(2000))).toBe(100);
  });
});
