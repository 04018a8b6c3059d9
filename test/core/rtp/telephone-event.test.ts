import { expect, test } from "vitest";
import { TelephoneEvents } from "../../../src/core/rtp/telephone-event.ts";

/** Event, end bit and volume, duration in ticks. */
const packet = (event: number, end: boolean, duration: number, volume = 10) =>
  Uint8Array.of(event, (end ? 0x80 : 0) | volume, duration >> 8, duration & 0xff);

test("a key that is held, and let go three times over, is one digit", () => {
  const events = new TelephoneEvents(8000);
  const out = [160, 320, 480, 640].map((d) => events.push(packet(5, false, d), 1000));
  expect(out).toEqual([undefined, undefined, undefined, undefined]);
  expect(events.push(packet(5, true, 800), 1000)).toEqual({
    digit: "5",
    rtpTime: 1000,
    durationMs: 100,
    volume: -10,
  });
  expect(events.push(packet(5, true, 800), 1000)).toBeUndefined();
  expect(events.push(packet(5, true, 800), 1000)).toBeUndefined();
});

test("a digit whose end was lost comes out with the next one, as long as it was known to be", () => {
  const events = new TelephoneEvents(48_000);
  events.push(packet(10, false, 4800), 1000);
  events.push(packet(10, false, 9600), 1000);
  // Overtaken: it does not make the digit shorter.
  events.push(packet(10, false, 7200), 1000);
  expect(events.push(packet(11, false, 960), 20_000)).toMatchObject({ digit: "*", durationMs: 200 });
  // The end comes after all: it is out already.
  expect(events.push(packet(10, true, 9600), 1000)).toBeUndefined();
  expect(events.push(packet(11, true, 4800), 20_000)).toMatchObject({ digit: "#", durationMs: 100 });
});

test("the same key twice is two digits", () => {
  const events = new TelephoneEvents(8000);
  expect(events.push(packet(1, true, 800), 1000)?.digit).toBe("1");
  expect(events.push(packet(1, true, 800), 3000)?.digit).toBe("1");
});

test("what the stream ends in the middle of comes out at its end", () => {
  const events = new TelephoneEvents(8000);
  expect(events.flush()).toBeUndefined();
  events.push(packet(15, false, 800), 1000);
  expect(events.flush()).toMatchObject({ digit: "D", durationMs: 100 });
  expect(events.flush()).toBeUndefined();
});

test("what is too short, or no key, is nothing", () => {
  const events = new TelephoneEvents(8000);
  for (const p of [
    new Uint8Array(0),
    packet(5, true, 1).subarray(0, 3),
    packet(16, true, 800),
    packet(255, true, 1),
  ])
    expect(events.push(p, 1000)).toBeUndefined();
  expect(events.push(packet(0, true, 800), 1000)?.digit).toBe("0");
});
