import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

/** Keyframe headers: frame tag, start code, little-endian size (RFC 6386 section 9.1). */
export const keyframe640x480 = hex("50 42 00 9d 01 2a 80 02 e0 01 11 22 33 44");
const scaled = hex("50 42 00 9d 01 2a 80 42 e0 81 11");
const delta = hex("31 02 03 04 05 06 07 08");

export const vp8Cases: readonly CodecCase[] = [
  {
    name: "a keyframe in one packet",
    frame: keyframe640x480,
    payloads: [hex("90 80 80 00 50 42 00 9d 01 2a 80 02 e0 01 11 22 33 44")],
    keyframe: true,
    size: [640, 480],
    sender: { maxPayload: 1200 },
  },
  {
    name: "a keyframe in two even packets, only the first with a start bit",
    frame: keyframe640x480,
    payloads: [hex("90 80 80 00 50 42 00 9d 01 2a 80"), hex("80 80 80 00 02 e0 01 11 22 33 44")],
    keyframe: true,
    size: [640, 480],
    sender: { maxPayload: 16 },
  },
  {
    name: "a delta frame",
    frame: delta,
    payloads: [hex("90 80 80 00 31 02 03 04 05 06 07 08")],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "the upscaling bits are no part of the size",
    frame: scaled,
    payloads: [hex("10 50 42 00 9d 01 2a 80 42 e0 81 11")],
    keyframe: true,
    size: [640, 480],
  },
  {
    name: "a second partition starts with S but is no new frame",
    frame: delta,
    payloads: [hex("10 31 02 03"), hex("11 04 05 06 07 08")],
    keyframe: false,
  },
  {
    name: "a frame without its first packet is nothing",
    frame: undefined,
    payloads: [hex("00 31 02 03 04")],
  },
  {
    name: "a keyframe of width 0 is nothing",
    frame: undefined,
    payloads: [hex("10 50 42 00 9d 01 2a 00 00 e0 01 11")],
  },
];

/** Every combination of the flags I, L, T, K and the width of the picture id, with its descriptor length. */
export function descriptorTable(): {
  name: string;
  payload: Uint8Array;
  length: number;
  flags: number;
  wide: boolean;
}[] {
  const out = [];
  for (let flags = 0; flags < 16; flags++) {
    for (const wide of [false, true]) {
      const [i, l, t, k] = [flags & 8, flags & 4, flags & 2, flags & 1];
      const bytes = [0x90, flags << 4];
      if (i) bytes.push(...(wide ? [0x81, 0x23] : [0x45]));
      if (l) bytes.push(0x67);
      if (t || k) bytes.push(0xa9);
      const name = `${i ? "I" : "-"}${l ? "L" : "-"}${t ? "T" : "-"}${k ? "K" : "-"} ${wide ? 15 : 7} bit`;
      out.push({ name, payload: Uint8Array.from([...bytes, 0x31]), length: bytes.length, flags, wide });
    }
  }
  return out;
}
