import { expect, test } from "vitest";
import { type Speech, SpeechMeter } from "../../../src/core/media/speech-meter.ts";
import { micros } from "../../../src/core/time.ts";

/** Packets of 20 ms whose level a function of their time tells; the spans that come of them, in milliseconds. */
function spans(lengthMs: number, level: (t: number) => number): [number, number][] {
  const meter = new SpeechMeter();
  const out: Speech[] = [];
  for (let t = 0; t < lengthMs; t += 20) {
    const speech = meter.push(micros(t * 1000), 20_000, level(t));
    if (speech) out.push(speech);
  }
  const last = meter.end();
  return [...out, ...(last ? [last] : [])].map((s) => [s.from / 1000, s.to / 1000]);
}

const VOICE = 28;
const ROOM = 70;

test("a sentence with pauses between its words is one speech, from its first sound to its last", () => {
  const talking = (t: number) => t >= 2000 && t < 6000 && t % 700 < 400;
  expect(spans(10_000, (t) => (talking(t) ? VOICE : ROOM))).toEqual([[2100, 6000]]);
});

test("two sentences with silence between them are two", () => {
  const talking = (t: number) => (t >= 1000 && t < 3000) || (t >= 5000 && t < 9000);
  expect(spans(9000, (t) => (talking(t) ? VOICE : ROOM))).toEqual([
    [1000, 3000],
    [5000, 9000],
  ]);
});

test("clicks, the noise of a room and silence are no speech", () => {
  expect(spans(10_000, (t) => (t % 1000 < 100 ? VOICE : ROOM))).toEqual([]);
  expect(spans(10_000, () => ROOM)).toEqual([]);
  expect(spans(10_000, () => 127)).toEqual([]);
});

test("a speech whose packets stop coming is over soon after", () => {
  const meter = new SpeechMeter();
  for (let t = 0; t < 1000; t += 20) meter.push(micros(t * 1000), 20_000, VOICE);
  expect(meter.speaking).toBe(true);
  expect(meter.poll(micros(1_700_000))).toBeUndefined();
  expect(meter.poll(micros(1_800_000))).toEqual({ from: 0, to: 1_000_000 });
  expect(meter.poll(micros(1_900_000))).toBeUndefined();
});
