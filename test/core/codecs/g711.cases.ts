import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

/** Sound of 64 kbit/s: every octet is an eighth of a millisecond, whatever it is. */
const octets = (name: string, data: Uint8Array, maxPayload = 1200): CodecCase => ({
  name,
  frame: data,
  payloads: [data],
  keyframe: true,
  duration: 125 * data.length,
  sender: { maxPayload },
});
const ramp = (n: number) => Uint8Array.from({ length: n }, (_, i) => i & 0xff);

export const octetCases: readonly CodecCase[] = [
  octets("20 ms", ramp(160)),
  octets("10 ms", ramp(80)),
  octets("a packet as long as the limit", ramp(240), 240),
  octets("a single sample", hex("d5")),
  octets("the codes of silence", hex("ffffffffd5d5d5d5")),
  octets("30 ms of zeros", new Uint8Array(240)),
  { name: "an empty packet is nothing", frame: undefined, payloads: [hex("")] },
];
