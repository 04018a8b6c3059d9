import { expect, it } from "vitest";
import { millis } from "../../src/core/time.ts";
import { TokenBucket } from "../../src/server/token-bucket.ts";

it("allows a burst, then the long-run rate, and never saves more than a burst", () => {
  const bucket = new TokenBucket({ burst: 3, perSecond: 10 }, millis(0));
  expect([1, 2, 3, 4].map(() => bucket.take(1, millis(0)))).toEqual([true, true, true, false]);
  expect(bucket.take(1, millis(99))).toBe(false);
  expect(bucket.take(1, millis(100))).toBe(true);
  expect(bucket.take(4, millis(100_000))).toBe(false);
  expect(bucket.take(3, millis(100_000))).toBe(true);
});
