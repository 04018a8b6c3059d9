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

test("a pause is a part of the time, and what was captured in it is not", () => {
  const clock = new SessionClock(0);
  clock.at(millis(1000));
  clock.pause(millis(3000));
  clock.pause(millis(3500));
  expect(clock.paused).toBe(true);
  expect(clock.at(millis(2999))).toBe(1_999_000);
  expect(clock.at(millis(3000))).toBeUndefined();
  expect(clock.resume(millis(8000))).toEqual({ from: 2_000_000, to: 7_000_000 });
  expect(clock.resume(millis(9000))).toBeUndefined();
  expect(clock.at(millis(7999))).toBeUndefined();
  expect(clock.at(millis(8000))).toBe(7_000_000);
  expect(clock.zeroAt).toBe(1000);
});

test("pauses that are cut out leave no trace in the time, in a later attempt neither", () => {
  const clock = new SessionClock(0, undefined, true);
  clock.at(millis(1000));
  clock.pause(millis(3000));
  expect(clock.peek(millis(6000))).toBe(2_000_000);
  expect(clock.resume(millis(8000))).toEqual({ from: 2_000_000, to: 2_000_000 });
  expect(clock.at(millis(8000))).toBe(2_000_000);
  clock.pause(millis(9000));
  clock.resume(millis(9500));
  expect(clock.at(millis(2500))).toBe(1_500_000);
  expect(clock.at(millis(10_000))).toBe(3_500_000);
  const next = new SessionClock(0, clock.zeroAt, true);
  expect(next.at(millis(10_000))).toBe(3_500_000);
});
