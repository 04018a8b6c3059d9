import { describe, expect, test } from "vitest";
import type { Random } from "../../../src/core/random.ts";
import { audio, error, grows, lips, type ModelTrack, perfect, send, video, WALL } from "./sender-model.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A path of 20 ms and up to 40 ms of jitter. */
const jitter = (_t: number, random: Random) => 20 + 40 * random();

function both(change: Partial<ModelTrack>): ModelTrack[] {
  return [
    { ...audio, ...change },
    { ...video, ...change },
  ];
}

describe("with sender reports", () => {
  test.each([500, 1000, 5000])(
    "lips and voice are together within 40 ms, a report each %i ms",
    (reportEvery) => {
      for (let seed = 1; seed <= 5; seed++) {
        const [a, v] = send(both({ reportEvery }), { until: 2 * MINUTE, delay: jitter, seed });
        expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(reportEvery > 1500 ? 40 : 5);
        expect(lips(a?.placed ?? [], v?.placed ?? [], 30_000)).toBeLessThan(2);
        expect(a?.timeline.synchronized && v?.timeline.synchronized).toBe(true);
      }
    },
  );

  test("noise of 5 ms in what the reports say stays below 5 ms in what is written", () => {
    for (let seed = 1; seed <= 5; seed++) {
      let n = seed;
      const noisy = (rate: number) => (t: number) => {
        n = (n * 48_271) % 0x7fffffff;
        return { wall: WALL + t + 5 * ((2 * n) / 0x7fffffff - 1), rtp: perfect(rate)(t) };
      };
      const [a, v] = send(
        [
          { ...audio, report: noisy(48_000) },
          { ...video, report: noisy(90_000) },
        ],
        { until: 5 * MINUTE, seed },
      );
      expect(lips(a?.placed ?? [], v?.placed ?? [], 20_000)).toBeLessThan(5);
      expect(grows(a?.placed ?? []) && grows(v?.placed ?? [])).toBe(true);
    }
  });

  test.each([-200, 200])("tracks whose clocks drift apart by %i ppm are together after hours", (ppm) => {
    const [a, v] = send(
      [
        { ...audio, rtp: perfect(48_000, ppm), reportEvery: 5000 },
        { ...video, rtp: perfect(90_000, -ppm), every: 200, reportEvery: 5000 },
      ],
      { until: 2 * HOUR, delay: jitter },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [], MINUTE)).toBeLessThan(5);
    expect(error(v?.placed ?? [], MINUTE)).toBeLessThan(15);
    expect(v?.timeline.restarts).toBe(0);
  });

  test.each([-50, 50])("a sender all of whose clocks run %i ppm off keeps true time", (ppm) => {
    const off = (t: number) => t * (1 + ppm * 1e-6);
    const [v] = send(
      [
        {
          ...video,
          every: 100,
          rtp: perfect(90_000, ppm),
          report: (t) => ({ wall: WALL + off(t), rtp: perfect(90_000, ppm)(t) }),
        },
      ],
      { until: HOUR },
    );
    expect(error(v?.placed ?? [], 10 * MINUTE)).toBeLessThan(1);
    expect(error(v?.placed ?? [])).toBeLessThan(8);
  });

  test.each([-HOUR, -1000, -300, 300, 1000, HOUR])(
    "a sender whose clock is set by %i ms moves nothing",
    (step) => {
      const stepped = (rate: number) => (t: number) => ({
        wall: WALL + t + (t > 30_000 ? step : 0),
        rtp: perfect(rate)(t),
      });
      const [a, v] = send(
        [
          { ...audio, report: stepped(48_000) },
          { ...video, report: stepped(90_000) },
        ],
        { until: 3 * MINUTE, delay: (_t, random) => 20 + 5 * random() },
      );
      expect(lips(a?.placed ?? [], v?.placed ?? [], 10_000)).toBeLessThan(2);
      expect(error(a?.placed ?? [], 20_000)).toBeLessThan(5);
      expect(a?.timeline.clockSteps).toBe(1);
      expect(v?.timeline.clockSteps).toBe(1);
      expect(a?.timeline.restarts).toBe(0);
    },
  );

  test("a track that joins after the sender's clock was set is together with the others", () => {
    const stepped = (rate: number) => (t: number) => ({
      wall: WALL + t - (t > 30_000 ? 2000 : 0),
      rtp: perfect(rate)(t),
    });
    const [a, v] = send(
      [
        { ...audio, report: stepped(48_000) },
        { ...video, report: stepped(90_000), from: 60_000 },
      ],
      { until: 2 * MINUTE, delay: jitter },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(5);
  });

  test("what is known of the clocks can be looked up", () => {
    const drifting = (t: number) => ({ wall: WALL + t, rtp: perfect(48_000, 120)(t) });
    const [a, v] = send(
      [
        { ...audio, rtp: perfect(48_000, 120), report: drifting },
        { ...video, reportEvery: 0 },
      ],
      {
        until: MINUTE,
      },
    );
    const model = a?.timeline.model;
    if (model?.by !== "reports") throw new Error(`placed by ${model?.by}`);
    expect(model.driftPpm).toBeCloseTo(120, 0);
    expect(model.offsetMs).toBeCloseTo(20 - WALL, 1);
    expect(Math.abs(model.spreadMs)).toBeLessThan(1);
    expect(v?.timeline.model).toEqual({ by: "arrival" });
  });

  test("copies of reports, old ones and such without a time change nothing", () => {
    const odd = (rate: number) => (t: number) => {
      const n = Math.floor(t / 250) % 4;
      if (n === 1) return { wall: -2_208_988_800_000, rtp: perfect(rate)(t) };
      const old = n === 2 ? 5250 : n === 3 ? 500 : 0;
      return t < old ? undefined : { wall: WALL + t - old, rtp: perfect(rate)(t - old) };
    };
    const [a, v] = send(
      [
        { ...audio, reportEvery: 250, report: odd(48_000) },
        { ...video, reportEvery: 250, report: odd(90_000) },
      ],
      { until: MINUTE },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(1);
    expect(error(a?.placed ?? [])).toBeLessThan(1);
    expect(a?.timeline.synchronized).toBe(true);
  });

  test("a picture that starts three seconds after the sound is together with it", () => {
    const [a, v] = send([audio, { ...video, from: 3000 }], { until: MINUTE, delay: jitter });
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(5);
  });

  test("a queue that grows by two seconds and drains again moves nothing", () => {
    const [a, v] = send(both({}), { until: 2 * MINUTE, delay: queue });
    expect(error(a?.placed ?? [])).toBeLessThan(2);
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(2);
    expect(a?.timeline.restarts).toBe(0);
  });
});

/** A queue on the path: two seconds long after ten, for ten, and empty ten seconds later. */
function queue(t: number): number {
  const at = t - 30_000;
  if (at < 0) return 20;
  if (at < 10_000) return 20 + at / 5;
  if (at < 20_000) return 2020;
  return 20 + Math.max(0, 2000 - (at - 20_000) / 5);
}

describe("with reports that lie", () => {
  const lying = (rate: number, rtpMs: number, wallMs: number) => (t: number) => ({
    wall: WALL + t + wallMs,
    rtp: perfect(rate)(t + rtpMs),
  });

  test.each([-5000, -300, 300, 5000])(
    "about its RTP time by %i ms a track is placed by arrival, and says so",
    (lie) => {
      const [a, v] = send([{ ...audio, report: lying(48_000, lie, 0) }, video], {
        until: MINUTE,
        delay: jitter,
      });
      expect(a?.timeline.distrusted).toBe(true);
      expect(a?.timeline.synchronized).toBe(false);
      expect(v?.timeline.distrusted).toBe(false);
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
      expect(lips(a?.placed ?? [], v?.placed ?? [], 10_000)).toBeLessThan(40);
    },
  );

  test.each([-5000, -300, 300, 5000])(
    "about the wall clock by %i ms a track does not drag the other along",
    (lie) => {
      const [a, v] = send([audio, { ...video, report: lying(90_000, 0, lie) }], {
        until: MINUTE,
        delay: jitter,
      });
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
      expect(lips(a?.placed ?? [], v?.placed ?? [], 10_000)).toBeLessThan(40);
      expect(a?.timeline.synchronized).toBe(true);
    },
  );

  test.each([-5000, -300, 300, 5000])(
    "from the second half minute on by %i ms a track stays where it was",
    (lie) => {
      const [a, v] = send([{ ...audio, report: (t) => lying(48_000, t > 30_000 ? lie : 0, 0)(t) }, video], {
        until: 2 * MINUTE,
        delay: jitter,
      });
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(40);
      expect(grows(a?.placed ?? [])).toBe(true);
    },
  );

  test.each([-5000, -300, 300, 5000])(
    "for the first half minute by %i ms a track is exact once they are right",
    (lie) => {
      const [a, v] = send([{ ...audio, report: (t) => lying(48_000, t < 30_000 ? lie : 0, 0)(t) }, video], {
        until: 2 * MINUTE,
        delay: jitter,
      });
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
      expect(lips(a?.placed ?? [], v?.placed ?? [], 60_000)).toBeLessThan(5);
      expect(a?.timeline.distrusted).toBe(false);
      expect(a?.timeline.synchronized).toBe(true);
    },
  );
});

describe("without sender reports", () => {
  const never = { reportEvery: 0 };

  test("lips and voice are together within 120 ms", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const [a, v] = send(both(never), { until: 2 * MINUTE, delay: jitter, seed });
      expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
      expect(lips(a?.placed ?? [], v?.placed ?? [], 20_000)).toBeLessThan(40);
      expect(a?.timeline.synchronized).toBe(false);
    }
  });

  test("a picture that starts three seconds late is together with the sound within 120 ms", () => {
    const [a, v] = send(
      [
        { ...audio, ...never },
        { ...video, ...never, from: 3000 },
      ],
      {
        until: MINUTE,
        delay: jitter,
      },
    );
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
  });

  test.each([-200, 200])("a drift of %i ppm is followed", (ppm) => {
    const [v] = send([{ ...video, ...never, every: 100, rtp: perfect(90_000, ppm) }], { until: HOUR });
    expect(error(v?.placed ?? [], 0, HOUR, 35)).toBeLessThan(30);
  });

  test("a queue that grows by two seconds and drains again stays below 120 ms", () => {
    const [a, v] = send(both(never), { until: 2 * MINUTE, delay: queue });
    expect(error(a?.placed ?? [])).toBeLessThan(120);
    expect(lips(a?.placed ?? [], v?.placed ?? [])).toBeLessThan(120);
    expect(a?.timeline.restarts).toBe(0);
  });

  test.each([16_000, 44_100])("a clock of %i Hz that claims 48 kHz is never far from arrival", (rate) => {
    const [a] = send([{ ...audio, ...never, rtp: (t) => Math.round((t * rate) / 1000) }], { until: MINUTE });
    expect(grows(a?.placed ?? [])).toBe(true);
    for (const p of a?.placed ?? []) expect(Math.abs(p.local - p.at)).toBeLessThan(6500);
  });
});
