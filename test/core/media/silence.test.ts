import { expect, test } from "vitest";
import { SilenceFiller } from "../../../src/core/media/silence.ts";
import { micros } from "../../../src/core/time.ts";

const ms = (n: number) => micros(n * 1000);

test("packets that follow each other need no silence", () => {
  const f = new SilenceFiller();
  f.start(ms(0));
  for (let t = 0; t < 1000; t += 20) expect(f.before(ms(t), 20_000)).toEqual([]);
  expect(f.end).toBe(ms(1000));
});

test("one lost packet is replaced by one packet of silence", () => {
  const f = new SilenceFiller();
  f.start(ms(0));
  f.before(ms(0), 20_000);
  expect(f.before(ms(40), 20_000)).toEqual([ms(20)]);
});

test("a track that starts late is preceded by silence from its declared start", () => {
  const f = new SilenceFiller();
  f.start(ms(100));
  expect(f.before(ms(200), 20_000)).toEqual([100, 120, 140, 160, 180].map(ms));
});

test("a rest too short for a packet stays open, so that what follows keeps its place", () => {
  const f = new SilenceFiller();
  f.start(ms(0));
  expect(f.before(ms(13.5), 20_000)).toEqual([]);
  f.before(ms(33.5), 20_000);
  expect(f.before(ms(85), 20_000)).toEqual([ms(53.5)]);
});

test("jitter of less than half a packet is left alone", () => {
  const f = new SilenceFiller();
  f.start(ms(0));
  f.before(ms(0), 20_000);
  expect(f.before(ms(29), 20_000)).toEqual([]);
});

test("silence goes on while nothing arrives and never passes the time given", () => {
  const f = new SilenceFiller();
  f.start(ms(0));
  let count = 0;
  for (let t = 100; t <= 30_000; t += 100) {
    const at = f.upTo(ms(t));
    count += at.length;
    expect(f.end ?? 0).toBeLessThanOrEqual(ms(t) + 20_000);
  }
  expect(count).toBeGreaterThanOrEqual(1499);
  expect(count).toBeLessThanOrEqual(1501);
});

/** A sender of packets of 20 ms whose clock is off; the worst distance of a player that counts samples. */
function drift(ppm: number, quiet: (n: number) => boolean) {
  const f = new SilenceFiller();
  f.start(ms(0));
  let position = 0;
  let worst = 0;
  let [loud, silence, leftOut] = [0, 0, 0];
  for (let n = 0; n < 180_000; n++) {
    // Corrections come in steps.
    const t = ms(Math.round((n * 20) / (1 + ppm * 1e-6) / 10) * 10);
    const size = quiet(n) ? 12 : 120;
    if (!f.takes(t, 20_000, size)) {
      leftOut++;
      if (size > 12) loud++;
      continue;
    }
    const fill = f.before(t, 20_000).length;
    silence += fill;
    worst = Math.max(worst, Math.abs(position + 20 * fill - t / 1000));
    position += 20 * (fill + 1);
  }
  return { worst, silence, leftOut, loud };
}

test("an hour on a fast clock leaves out what is too many, in pauses of speech", () => {
  const r = drift(200, (n) => n % 500 < 40);
  expect(r.worst).toBeLessThanOrEqual(40);
  // 0.72 s.
  expect(r.leftOut).toBeGreaterThanOrEqual(35);
  expect(r.leftOut).toBeLessThanOrEqual(37);
  expect(r.loud).toBe(0);
  expect(drift(200, () => false)).toMatchObject({ leftOut: 35 });
});

test("an hour on a slow clock is completed with silence", () => {
  const r = drift(-200, () => false);
  expect(r.worst).toBeLessThanOrEqual(20);
  expect(r.silence).toBeGreaterThanOrEqual(35);
  expect(r.silence).toBeLessThanOrEqual(37);
  expect(r.leftOut).toBe(0);
});
