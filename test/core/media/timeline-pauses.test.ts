import { describe, expect, test } from "vitest";
import { SenderTimeline } from "../../../src/core/media/timeline.ts";
import type { Random } from "../../../src/core/random.ts";
import { millis, wallMillis } from "../../../src/core/time.ts";
import {
  audio,
  error,
  grows,
  lips,
  type ModelTrack,
  type Placed,
  perfect,
  send,
  video,
} from "./sender-model.ts";

const MINUTE = 60_000;
const MUTED = 20_000;
const RESUMED = 50_000;

const jitter = (_t: number, random: Random) => 20 + 30 * random();
const sends = (t: number) => t < MUTED || t >= RESUMED;
const truth = perfect(48_000);

/** Audio muted for half a minute, with timestamps of its own after that. */
function muted(after: (t: number) => number, reportEvery: number): ModelTrack {
  const rtp = (t: number) => (t < RESUMED ? truth(t) : after(t));
  // While muted, reports go on from the last timestamp that was sent, as real senders' do, or stop.
  return {
    ...audio,
    reportEvery,
    rtp,
    sends,
    report: (t) => (sends(t) ? { wall: 1e12 + t, rtp: rtp(t) } : undefined),
  };
}

const resumptions: [string, (t: number) => number][] = [
  ["going on", truth],
  ["that stood still", (t) => truth(t - (RESUMED - MUTED))],
  ["that are random", (t) => truth(t) + 9_000_000],
  ["from the past", (t) => truth(t) - 48_000 * 40],
  ["nearly right", (t) => truth(t) + 480 * 90],
];

describe.each([
  ["with a report each second", 1000],
  ["with a report each five seconds", 5000],
  ["without reports", 0],
])("after a pause of 30 s, %s", (_name, reportEvery) => {
  test.each(resumptions)("timestamps %s are placed at true time", (_kind, after) => {
    for (let seed = 1; seed <= 5; seed++) {
      const [a, v] = send([muted(after, reportEvery), { ...video, reportEvery }], {
        until: 2 * MINUTE,
        delay: jitter,
        seed,
      });
      const placed = a?.placed ?? [];
      expect(grows(placed)).toBe(true);
      expect(lips(placed, v?.placed ?? [])).toBeLessThan(reportEvery ? 50 : 60);
      expect(holes(placed, RESUMED)).toBeLessThan(20);
      expect(v?.timeline.restarts).toBe(0);
    }
  });
});

/** Longest distance of neighbours beyond the length of a packet, from `from` on. */
function holes(placed: readonly Placed[], from: number): number {
  let worst = 0;
  let last: number | undefined;
  for (const p of placed) {
    if (p.t < from) continue;
    if (last !== undefined) worst = Math.max(worst, p.local - last - 20);
    last = p.local;
  }
  return worst;
}

test("a pause before the first frame, with a clock that stands still, does not put that frame into the past", () => {
  const track = new SenderTimeline().track(90_000);
  const packet = (media: number, at: number) => track.onPacket(perfect(90_000)(media), millis(at));
  for (let t = 0; t < 3000; t += 40) packet(t, t);
  for (let t = 3000; t < 4000; t += 40) packet(t, t + 10_000);
  expect(track.place(perfect(90_000)(3500), millis(13_500))).toBeCloseTo(13_500, 0);
});

describe("the timestamps of a live stream", () => {
  test("that stand still for a second are put right within two seconds", () => {
    const late = (t: number) => truth(t < 30_000 ? t : t - 1000);
    const [a] = send([{ ...audio, reportEvery: 0, rtp: late, sends: (t) => t < 30_000 || t >= 31_000 }], {
      until: MINUTE,
      delay: jitter,
    });
    expect(error(a?.placed ?? [], 0, 30_000)).toBeLessThan(35);
    expect(error(a?.placed ?? [], 33_100)).toBeLessThan(50);
    expect(a?.timeline.restarts).toBe(1);
  });

  test.each([1000, 0])(
    "stay trusted when the path stops for two seconds and then delivers all (report each %i ms)",
    (reportEvery) => {
      const stop = (t: number) => (t >= 30_000 && t < 32_000 ? 32_020 - t : 20);
      const [a, v] = send(
        [
          { ...audio, reportEvery },
          { ...video, reportEvery },
        ],
        { until: MINUTE, delay: stop },
      );
      expect(a?.timeline.restarts).toBe(0);
      expect(error(a?.placed ?? [])).toBeLessThan(2);
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(20);
    },
  );

  test("that jump by minutes go on at true time, also with reports", () => {
    for (const jump of [-600_000, 20_000, 600_000]) {
      const rtp = perfect(90_000, 0, 90_000_000);
      const [v, a] = send([{ ...video, rtp: (t) => rtp(t < 30_000 ? t : t + jump) }, audio], {
        until: MINUTE,
      });
      expect(grows(v?.placed ?? [])).toBe(true);
      expect(lips(v?.placed ?? [], a?.placed ?? [])).toBeLessThan(40);
      expect(v?.timeline.restarts).toBe(1);
    }
  });

  test("of a new SSRC of the same sender are together with its other track from the first frame on", () => {
    const sender = new SenderTimeline();
    const first = send([audio, video], { until: 30_000, delay: jitter, sender });
    expect(lips(first[0]?.placed ?? [], first[1]?.placed ?? [])).toBeLessThan(5);
    const then = { from: 31_000 };
    const [a, v] = send(
      [
        { ...audio, ...then, rtp: perfect(48_000, 0, 77_000) },
        { ...video, ...then, rtp: perfect(90_000, 0, 4e9) },
      ],
      { until: MINUTE, delay: jitter, sender },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(5);
    expect(error(a?.placed ?? [])).toBeLessThan(10);
  });
});

describe("the burst of old packets that a server begins with", () => {
  /** Everything of the first four seconds comes at once, at `pace` times its speed, and then live. */
  const burst = (pace: number) => (t: number) => Math.max(20, 4020 - t + t / pace);

  test.each([1000, 0])("does not make the rest late (report each %i ms)", (reportEvery) => {
    for (const pace of [100, 10, 5]) {
      const report: ModelTrack["report"] = (t) =>
        t < 4000 ? undefined : { wall: 1e12 + t, rtp: perfect(90_000)(t) };
      const [v] = send([{ ...video, encode: 0, reportEvery, report }], { until: MINUTE, delay: burst(pace) });
      expect(error(v?.placed ?? [])).toBeLessThan(5);
    }
  });

  test("does not make a report unbelievable that comes in its middle", () => {
    const rtp = perfect(90_000);
    const track = new SenderTimeline().track(90_000);
    for (let t = 0; t < 2000; t += 40) track.onPacket(rtp(t), millis(4020 + t / 100));
    expect(track.live).toBe(false);
    track.onReport(wallMillis(1e12 + 4020), rtp(4020), millis(4040));
    expect(track.distrusted).toBe(false);
    expect(track.place(rtp(0), millis(4020))).toBeCloseTo(20, 1);
    for (let t = 2000; t < 6000; t += 40) track.onPacket(rtp(t), millis(t < 4000 ? 4040 + t / 100 : t + 85));
    expect(track.live).toBe(true);
    expect(track.synchronized).toBe(true);
  });
});
