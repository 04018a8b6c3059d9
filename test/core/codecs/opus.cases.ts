import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

const whole = (name: string, packet: Uint8Array, duration: number): CodecCase => ({
  name,
  frame: packet,
  payloads: [packet],
  keyframe: true,
  duration,
  sender: { maxPayload: 1200 },
});

export const opusCases: readonly CodecCase[] = [
  whole("20 ms of fullband CELT", hex("fc 01 02 03"), 20_000),
  whole("silence", hex("f8 ff fe"), 20_000),
  whole("a DTX packet of one byte", hex("f8"), 20_000),
  whole("60 ms of SILK", hex("18 00 01"), 60_000),
  whole("three frames of 20 ms", hex("fb 03 11 22 33"), 60_000),
  whole("120 ms, the longest", hex("fb 06 11 22 33"), 120_000),
  { name: "an empty packet", frame: undefined, payloads: [hex("")] },
  { name: "code 3 without a frame count", frame: undefined, payloads: [hex("fb")] },
  { name: "code 3 with no frames", frame: undefined, payloads: [hex("fb 00")] },
  { name: "more than 120 ms", frame: undefined, payloads: [hex("fb 07 11")] },
];

/** Frame length in tenths of a millisecond by configuration number (RFC 6716 table 2). */
export const opusFrameLengths: readonly number[] = [
  ...[100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400, 600],
  ...[100, 200, 100, 200],
  ...[25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200],
];
