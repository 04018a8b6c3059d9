import { describe, expect, test } from "vitest";
import type { Random } from "../../../src/core/random.ts";
import { audio, error, grows, type Placed, perfect, send } from "./sender-model.ts";

const jitter = (_t: number, random: Random) => 20 + 40 * random();
const sound = { ...audio, duration: 20_000 };

/** Steps between neighbours that are not the length of a packet, in milliseconds beyond it. */
function seams(placed: readonly Placed[]): number[] {
  return placed
    .slice(1)
    .map((p, i) => p.local - (placed[i]?.local ?? 0) - 20)
    .filter((d) => Math.abs(d) > 1e-6);
}

describe("sound", () => {
  test("has no jitter in its times, with and without reports", () => {
    for (const reportEvery of [1000, 5000, 0]) {
      const [a] = send([{ ...sound, reportEvery }], { until: 120_000, delay: jitter });
      const all = seams(a?.placed ?? []);
      // Only what the first seconds did not know yet is put right.
      expect(all.length).toBeLessThan(6);
      for (const d of all) expect(Math.abs(d)).toBeLessThan(10.2);
      expect(error(a?.placed ?? [], 60_000)).toBeLessThan(25);
    }
  });

  test.each([-200, 200])(
    "of a clock that is off by %i ppm is moved once it is off by half a packet",
    (ppm) => {
      // Every packet has 960 samples, whatever the clock.
      const every = 20 / (1 + ppm * 1e-6);
      const [a] = send([{ ...sound, every, rtp: perfect(48_000, ppm) }], { until: 600_000 });
      const all = seams(a?.placed ?? []);
      // 0.2 ms a second make 10 ms in fifty seconds.
      expect(all.length).toBeGreaterThanOrEqual(11);
      expect(all.length).toBeLessThanOrEqual(13);
      for (const d of all) expect(Math.abs(d)).toBeCloseTo(10, 0);
      expect(error(a?.placed ?? [])).toBeLessThan(11.5);
    },
  );

  test("with packets missing keeps its place", () => {
    const lossy = { ...sound, sends: (t: number) => (t / 20) % 7 !== 3 && (t < 5000 || t > 5400) };
    const [a] = send([lossy], { until: 60_000 });
    for (const d of seams(a?.placed ?? [])) expect(Math.abs(d - 20 * Math.round(d / 20))).toBeLessThan(1e-6);
    expect(error(a?.placed ?? [])).toBeLessThan(1);
  });

  test("whose timestamps tremble is laid end to end", () => {
    const trembling = (t: number) => perfect(48_000)(t) + ((t / 20) % 5) * 40;
    const [a] = send([{ ...sound, rtp: trembling }], { until: 60_000 });
    expect(seams(a?.placed ?? []).length).toBeLessThan(3);
    expect(error(a?.placed ?? [])).toBeLessThan(10);
  });

  test("is never written out of order, whatever its timestamps and durations", () => {
    for (let seed = 1; seed < 20; seed++) {
      let n = seed;
      const next = () => {
        n = (n * 48_271) % 0x7fffffff;
        return n / 0x7fffffff;
      };
      const rtp = (t: number) => Math.round(t * 48 + 3e5 + 1e5 * (next() - 0.5));
      const [a] = send([{ ...sound, rtp, duration: 120_000 * next() }], {
        until: 20_000,
        delay: jitter,
        seed,
      });
      expect(grows(a?.placed ?? [])).toBe(true);
    }
  });
});
