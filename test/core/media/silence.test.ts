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
