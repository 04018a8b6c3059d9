import { describe, expect, it } from "vitest";
import { RttEstimator } from "../../../src/core/rtp/rtt.ts";
import { millis } from "../../../src/core/time.ts";

describe("round trip", () => {
  it("is 100 ms until it is known, then mostly the newest sample", () => {
    const r = new RttEstimator();
    expect([r.ms, r.measured]).toEqual([100, false]);
    r.onEcho(40, millis(0));
    expect([r.ms, r.measured]).toEqual([40, true]);
    r.onEcho(80, millis(1));
    expect(r.ms).toBe(70);
  });

  it.each([
    [0, 20],
    [5000, 1000],
  ])("takes %d ms for %d", (sample, ms) => {
    const r = new RttEstimator();
    r.onEcho(sample, millis(0));
    expect(r.ms).toBe(ms);
  });

  it("tells people what echoes say, however short or long", () => {
    const r = new RttEstimator();
    r.onRepair(60, millis(0));
    expect(r.echoMs).toBeUndefined();
    r.onEcho(0.4, millis(1));
    expect([r.echoMs, r.ms]).toEqual([0.4, 30]);
    r.onEcho(4000.4, millis(2));
    expect(r.echoMs).toBeCloseTo(3000.4, 6);
  });

  it("follows repairs only while no echo is fresh", () => {
    const r = new RttEstimator();
    r.onRepair(60, millis(0));
    expect(r.ms).toBe(60);
    r.onEcho(60, millis(100));
    r.onRepair(400, millis(10_000));
    expect(r.ms).toBe(60);
    r.onRepair(100, millis(10_101));
    expect(r.ms).toBe(90);
  });
});
