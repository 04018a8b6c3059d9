import { expect, test } from "vitest";
import { PlayoutDelay } from "../../../src/sinks/stage/playout-delay.ts";

/** A delay of which `after(s)` milliseconds came what came at second s. */
function delayOver(
  seconds: number,
  after: (s: number) => number,
): { delay: PlayoutDelay; least: number; most: number } {
  const delay = new PlayoutDelay(300);
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (let ms = 0; ms < seconds * 1000; ms += 20) {
    delay.came(after(ms / 1000), 50_000 + ms);
    delay.advance(50_000 + ms);
    least = Math.min(least, delay.ms);
    most = Math.max(most, delay.ms);
  }
  return { delay, least, most };
}

test("what comes in time changes nothing", () => {
  const { least, most } = delayOver(60, (s) => 100 + (s % 2) * 80);
  expect([least, most]).toEqual([300, 300]);
});

test("what keeps coming late moves everything at once, in one step", () => {
  const delay = new PlayoutDelay(300);
  for (let ms = 0; ms < 400; ms += 20) delay.came(500, ms);
  expect(delay.ms).toBe(300);
  delay.came(500, 400);
  expect(delay.ms).toBe(540);
  delay.came(515, 420);
  expect(delay.ms).toBe(540);
});

test("what comes late once moves nothing, again it does", () => {
  const delay = new PlayoutDelay(300);
  for (const [ms, after, expected] of [
    [0, 700, 300],
    [20, 680, 300],
    [16_000, 600, 300],
    [20_000, 500, 540],
  ] as const) {
    delay.came(after, ms);
    expect(delay.ms).toBe(expected);
  }
});

test("it goes back slowly after a while, and not below where it began", () => {
  const once = (s: number) => (s < 1 ? 600 : 60);
  expect(delayOver(9, once).delay.ms).toBeGreaterThanOrEqual(620);
  const later = delayOver(30, once).delay.ms;
  expect(later).toBeGreaterThan(400);
  expect(later).toBeLessThan(600);
  expect(delayOver(90, once).delay.ms).toBe(300);
});

test("repairs now and then keep it up", () => {
  const { delay } = delayOver(120, (s) => (s % 8 < 0.02 ? 450 : 60));
  expect(delay.ms).toBeGreaterThanOrEqual(470);
});

test("it never waits for longer than a second", () => {
  expect(delayOver(2, () => 30_000).most).toBe(1000);
});

test("what has waited while the process stood still says nothing", () => {
  const { delay } = delayOver(1, () => 60);
  delay.came(2000, 53_000);
  delay.advance(53_000);
  delay.came(2000, 53_020);
  expect(delay.ms).toBe(300);
  for (let ms = 53_020; ms < 54_100; ms += 20) delay.advance(ms);
  delay.came(400, 54_100);
  for (let ms = 54_100; ms <= 54_500; ms += 20) {
    delay.advance(ms);
    delay.came(400, ms);
  }
  expect(delay.ms).toBe(440);
});
