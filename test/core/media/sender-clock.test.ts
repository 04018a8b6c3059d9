import { describe, expect, test } from "vitest";
import { SenderClock } from "../../../src/core/media/sender-clock.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { ntpToWall, wallMillis } from "../../../src/core/time.ts";
import { perfect, WALL } from "./sender-model.ts";

/** A clock fed every `every` ms with walls off by up to `noise`; gives the worst error from the 20th sample on. */
function regress(o: { ppm: number; noise: number; every: number; seed: number; count?: number }): number {
  const random = seededRandom(o.seed);
  const rtp = perfect(90_000, o.ppm);
  const clock = new SenderClock(90_000);
  let worst = 0;
  for (let i = 0; i < (o.count ?? 200); i++) {
    const t = i * o.every;
    clock.push(wallMillis(WALL + t + o.noise * (2 * random() - 1)), rtp(t));
    // Until the next report the clock is asked for times up to a report later.
    for (const later of [0, o.every / 2, o.every]) {
      const wall = clock.wallAt(rtp(t + later)) ?? Number.NaN;
      if (i >= 20) worst = Math.max(worst, Math.abs(wall - WALL - t - later));
    }
  }
  return worst;
}

describe("the regression over sender reports", () => {
  test.each([500, 1000, 5000])(
    "is good to 5 ms with noise of 5 ms and a drift of 200 ppm, a report each %i ms",
    (every) => {
      for (const ppm of [-200, 0, 200])
        for (let seed = 1; seed <= 10; seed++)
          expect(regress({ ppm, noise: 5, every, seed })).toBeLessThan(5);
    },
  );

  test("follows a drifting clock for twelve hours", () => {
    for (const ppm of [-200, 200])
      expect(regress({ ppm, noise: 0, every: 5000, seed: 1, count: 8640 })).toBeLessThan(0.02);
  });

  test("takes the nominal rate while it knows one report, or little time", () => {
    const clock = new SenderClock(48_000);
    expect(clock.wallAt(5)).toBeUndefined();
    clock.push(wallMillis(WALL), 48_000);
    expect(clock.wallAt(96_000)).toBe(WALL + 1000);
    for (let t = 100; t < 5000; t += 1000) clock.push(wallMillis(WALL + t + (t % 300)), 48_000 + t * 48);
    expect((clock.wallAt(480_000) ?? 0) - (clock.wallAt(432_000) ?? 0)).toBeCloseTo(1000, 2);
  });

  test("does not count copies, and takes NTP 0 for what it says: no time", () => {
    const clock = new SenderClock(48_000);
    expect(clock.push(ntpToWall({ seconds: 0, fraction: 0 }), 5)).toBe("rejected");
    expect(clock.known).toBe(false);
    expect(clock.push(wallMillis(WALL), 48_000)).toBe("accepted");
    for (let i = 0; i < 10; i++) expect(clock.push(wallMillis(WALL), 48_000)).toBe("rejected");
    expect(clock.wallAt(48_000)).toBe(WALL);
  });

  test("lets a report that was overtaken pass unnoticed", () => {
    const clock = new SenderClock(90_000);
    const rtp = perfect(90_000);
    for (const t of [0, 1000, 2000, 4000, 3000, 5000, 7000, 6000, 8000]) {
      const verdict = clock.push(wallMillis(WALL + t), rtp(t));
      expect(verdict).toBe(t === 3000 || t === 6000 ? "rejected" : "accepted");
      expect(clock.wallAt(rtp(t))).toBeCloseTo(WALL + t, 1);
    }
  });

  test("is not moved by single reports that lie", () => {
    const clock = new SenderClock(90_000);
    const rtp = perfect(90_000);
    const random = seededRandom(4);
    for (let t = 0; t < 100_000; t += 1000) {
      const lie = t % 3000 === 0 && t > 0 ? (random() < 0.5 ? -1 : 1) * (300 + 20_000 * random()) : 0;
      clock.push(wallMillis(WALL + t + lie), rtp(t));
      expect(Math.abs((clock.wallAt(rtp(t)) ?? 0) - WALL - t)).toBeLessThan(1);
    }
  });

  test.each([-3_600_000, -1000, 1000, 3_600_000])(
    "believes three reports that agree on a step of %i ms",
    (step) => {
      const clock = new SenderClock(90_000);
      const rtp = perfect(90_000);
      for (let t = 0; t < 10_000; t += 1000) clock.push(wallMillis(WALL + t), rtp(t));
      const verdicts = [10_000, 11_000, 12_000, 13_000].map((t) =>
        clock.push(wallMillis(WALL + t + step), rtp(t)),
      );
      expect(verdicts).toEqual(["rejected", "rejected", "rebuilt", "accepted"]);
      expect(clock.wallAt(rtp(14_000))).toBeCloseTo(WALL + 14_000 + step, 3);
    },
  );

  test("never believes reports that contradict each other", () => {
    const clock = new SenderClock(90_000);
    const rtp = perfect(90_000);
    const random = seededRandom(9);
    clock.push(wallMillis(WALL), rtp(0));
    for (let t = 1000; t < 60_000; t += 1000) clock.push(wallMillis(WALL + 1e6 + 1e8 * random()), rtp(t));
    expect(clock.wallAt(rtp(60_000))).toBeCloseTo(WALL + 60_000, 3);
  });

  test("calls a slope nonsense that is far from the clock rate", () => {
    const clock = new SenderClock(48_000);
    // A clock of 44.1 kHz that claims 48 kHz.
    for (let t = 0; t < 60_000; t += 1000) clock.push(wallMillis(WALL + t), Math.round(t * 44.1));
    const second = (clock.wallAt(96_000) ?? 0) - (clock.wallAt(48_000) ?? 0);
    expect(second).toBeCloseTo(1000, 3);
  });

  test("lets its wall clock be moved without a seam", () => {
    const clock = new SenderClock(90_000);
    const rtp = perfect(90_000);
    for (let t = 0; t < 30_000; t += 1000) clock.push(wallMillis(WALL + t), rtp(t));
    clock.shiftTo(-1000);
    for (let t = 30_000; t < 60_000; t += 1000) {
      expect(clock.push(wallMillis(WALL + t), rtp(t))).toBe("accepted");
      expect(clock.wallAt(rtp(t))).toBeCloseTo(WALL + t - 1000, 2);
    }
  });
});
