import { expect, test } from "vitest";
import { opusPacketDuration } from "../../../src/core/codecs/opus-packet.ts";
import { opusSilence } from "../../../src/core/codecs/opus-silence.ts";
import { SoundPlacement } from "../../../src/sinks/recorder/sound-placement.ts";

/** Places 20 ms packets at these times; where each begins, milliseconds, and how many found no place. */
function placed(times: readonly number[], size: (i: number) => number = () => 60) {
  const placement = new SoundPlacement();
  const { units, preSkip } = placement.begin(times[0] ?? 0);
  let end = units * 120 - preSkip;
  const at: number[] = [];
  /** Farthest that a packet is from its time. */
  let off = 0;
  let dropped = 0;
  let silent = 0;
  for (const [i, t] of times.entries()) {
    const before = placement.place(t, 960, size(i));
    if (before === undefined) {
      dropped++;
      continue;
    }
    silent += before;
    end += before * 120;
    at.push(end / 48);
    off = Math.max(off, Math.abs(end / 48 - t));
    end += 960;
  }
  return { at, off, dropped, silent };
}

const every = (n: number, step: number) => Array.from({ length: n }, (_, i) => i * step);

test("the first packet is where it is, whatever the time", () => {
  for (const t of [0, 1, 2, 19, 20, 333, 4711]) {
    const { units, preSkip } = new SoundPlacement().begin(t);
    expect(units * 120 - preSkip).toBe(48 * t);
    expect(preSkip).toBeLessThan(120);
  }
});

test("times that jump by a few milliseconds move nothing", () => {
  const times = every(500, 20).map((t, i) => t + (i % 7));
  expect(placed(times)).toMatchObject({ dropped: 0, silent: 0 });
});

test.each([200, -200])("two hours of a clock that is %i ppm off stay within a packet and a half", (ppm) => {
  const times = every(360_000, 20).map((t) => Math.round(t * (1 - ppm / 1e6)));
  // Every fourth second somebody takes a breath.
  const { off, dropped, silent } = placed(times, (i) => (i % 200 === 0 ? 5 : 60));
  expect(off).toBeLessThan(ppm > 0 ? 30.6 : 10.6);
  // 1.44 s too much or too little in all.
  expect(Math.abs(ppm > 0 ? dropped * 20 - 1440 : silent * 2.5 - 1440)).toBeLessThan(31);
});

test("a hole is as long as it was, to the shortest packet there is", () => {
  for (const hole of [15, 33, 47, 100, 1234, 3_600_000]) {
    const times = every(100, 20).map((t) => (t < 1000 ? t : t + hole));
    const { at, dropped } = placed(times);
    expect(dropped).toBe(0);
    expect(Math.abs((at[50] ?? 0) - (1000 + hole))).toBeLessThanOrEqual(1.25);
  }
});

test("packets for a time that is over have no place", () => {
  const { dropped } = placed([...every(100, 20), ...every(50, 20), ...every(20, 20).map((t) => t + 2000)]);
  expect(dropped).toBe(50);
});

test("silence is as long as it was asked for, in as few packets as it takes, for any number of streams", () => {
  for (let units = 0; units < 40; units++) {
    const list = [...opusSilence(units, 3)];
    expect(list.reduce((n, p) => n + p.samples, 0)).toBe(units * 120);
    expect(list.length).toBe(Math.floor(units / 8) + ([0, 1, 1, 2, 1, 2, 2, 3][units % 8] ?? 0));
    for (const { data, samples } of list) {
      expect(opusPacketDuration(data)).toBe((samples / 48) * 1000);
      // Twice a packet that says its length, then one that does not.
      expect([...data]).toEqual([data[0], 2, 0xff, 0xfe, data[0], 2, 0xff, 0xfe, data[0], 0xff, 0xfe]);
    }
  }
});
