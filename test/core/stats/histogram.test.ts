import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/core/random.ts";
import { Histogram } from "../../../src/core/stats/histogram.ts";

describe("a histogram", () => {
  it("knows nothing before the first value", () => {
    expect(new Histogram().quantile(0.95)).toBeUndefined();
  });

  it.each([0.5, 0.95, 0.99])("gives quantile %d of skewed values to five per cent", (share) => {
    const r = seededRandom(3);
    const values = Array.from({ length: 5000 }, () => 2 + 40 * r() ** 4);
    const h = new Histogram();
    for (const v of values) h.add(v);
    const exact = values.sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? 0;
    expect(Math.abs((h.quantile(share) ?? 0) / exact - 1)).toBeLessThan(0.05);
  });

  it("takes any number", () => {
    const h = new Histogram();
    for (const v of [0, -5, Number.NaN]) h.add(v);
    expect(h.quantile(1)).toBe(0);
    h.add(Number.POSITIVE_INFINITY);
    expect(h.quantile(0.75)).toBe(0);
    expect(h.quantile(1)).toBeGreaterThan(1e6);
  });
});
