import { expect, test } from "vitest";
import { SessionClock } from "../../src/bot/session-clock.ts";
import { millis } from "../../src/core/time.ts";

test("the session's time begins with the first media", () => {
  const clock = new SessionClock(1_700_000_000_000);
  expect([clock.started, clock.zeroAt, clock.peek(millis(5))]).toEqual([false, undefined, undefined]);
  expect(clock.at(millis(500))).toBe(0);
  expect([clock.started, clock.zeroAt]).toEqual([true, 1_700_000_000_500]);
  expect(clock.at(millis(520))).toBe(20_000);
});

test("what was captured before the first media but came after it stands at zero", () => {
  const clock = new SessionClock(0);
  clock.at(millis(500));
  expect(clock.at(millis(350))).toBe(0);
  expect(clock.at(millis(501))).toBe(1000);
});

test("a restarted session's time goes on", () => {
  const clock = new SessionClock(1_700_000_000_000, 1_699_999_990_000);
  expect(clock.started).toBe(false);
  expect(clock.at(millis(0))).toBe(10_000_000);
  expect(clock.zeroAt).toBe(1_699_999_990_000);
});
