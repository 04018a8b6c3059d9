import { describe, expect, it } from "vitest";
import { FreezeMeter } from "../../../src/core/media/freeze-meter.ts";
import { millis } from "../../../src/core/time.ts";

/** A meter pause `n` intervals of `ms`, and how to give it another. */
function video(n: number, ms: number) {
  const m = new FreezeMeter();
  let now = 0;
  m.onFrame(millis(now));
  const pause = (interval: number) => {
    now += interval;
    m.onFrame(millis(now));
    return m.freezes;
  };
  for (let i = 0; i < n; i++) pause(ms);
  return { m, pause };
}

describe("freezes by the definition of webrtc-stats", () => {
  it.each([
    [40, 189, 0],
    [40, 190, 1],
    [100, 299, 0],
    [100, 300, 1],
    [75, 225, 1],
    [75, 224, 0],
  ])("with frames every %d ms, %d ms without one are %d freeze(s)", (every, length, count) => {
    const { pause } = video(30, every);
    expect(pause(length)).toEqual({ count, totalMs: count * length });
  });

  it("averages over the last 30 intervals only, freezes among them", () => {
    const { pause } = video(100, 200);
    for (let i = 0; i < 15; i++) pause(20);
    // 15 of 200 and 15 of 20: 110 on average.
    expect(pause(329).count).toBe(0);
    const other = video(100, 200);
    for (let i = 0; i < 15; i++) other.pause(20);
    expect(other.pause(330).count).toBe(1);
    for (let i = 0; i < 29; i++) other.pause(20);
    // 29 of 20 and one of 330: 30.33 on average, so 180.33 at least.
    expect(other.pause(180).count).toBe(1);
  });

  it("adds up", () => {
    const { pause } = video(30, 20);
    pause(500);
    pause(20);
    expect(pause(1000)).toEqual({ count: 2, totalMs: 1500 });
  });

  it("calls nothing a freeze before it knows the rhythm", () => {
    expect(video(0, 0).pause(10_000).count).toBe(0);
    expect(video(4, 40).pause(1000).count).toBe(0);
    expect(video(5, 40).pause(1000).count).toBe(1);
  });
});
