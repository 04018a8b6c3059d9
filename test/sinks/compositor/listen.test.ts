import { expect, test } from "vitest";
import { levelOf } from "../../../src/sinks/compositor/listen.ts";

test("levels are those that packets would have said", () => {
  const sine = (peak: number) =>
    Int16Array.from({ length: 1920 }, (_, i) => peak * Math.sin((i * Math.PI) / 24));
  expect(levelOf(sine(32_767))).toBeCloseTo(3, 1);
  expect(levelOf(sine(327))).toBeGreaterThan(42);
  expect(levelOf(sine(327))).toBeLessThan(44);
  expect(levelOf(new Int16Array(1920))).toBe(127);
  expect(levelOf(new Int16Array(0))).toBe(127);
});
