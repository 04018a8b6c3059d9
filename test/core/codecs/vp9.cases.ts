import { BitWriter } from "./bit-writer.ts";
import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

/** Beginnings of keyframes written by libvpx: 64x48, and 494x370 in the other profiles. */
export const vp9Keyframes = {
  profile0: hex("82 49 83 42 00 03 f0 02 f6 36 38 24 1c 19"),
  profile1: hex("a2 49 83 42 00 03 da 02 e2 c0 c7 04 83 83"),
  profile1Rgb: hex("a2 49 83 42 e0 1e d0 17 16 06 38 24 1c 18"),
  profile2: hex("92 49 83 42 00 0f 68 0b 8b 03 1c 12 0e 0c"),
  profile3: hex("b1 24 c1 a1 00 00 f6 80 b8 b0 31 c1 20 e0"),
} as const;

/** A shown frame with references: none gives its size, which follows; or the first does. */
const inter = () => new BitWriter().u(8, 0x86).u(2, 0).u(8, 2).u(12, 0x111);
export const vp9Sized = inter().u(3, 0).u(16, 127).u(16, 95).u(16, 0x1234).bytes();
export const vp9Delta = inter().u(3, 4).u(24, 0x123456).bytes();
/** An intra-only frame: hidden, no keyframe. */
export const vp9IntraOnly = new BitWriter()
  .u(8, 0x85)
  .u(1, 1)
  .u(24, 0x498342)
  .u(8, 1)
  .u(16, 63)
  .u(16, 47)
  .bytes();

const key = vp9Keyframes.profile0;
const join = (...parts: (Uint8Array | readonly number[])[]) => Uint8Array.from(parts.flatMap((p) => [...p]));
const head = (text: string, data: Uint8Array) => join(hex(text), data);

/** The sizes of three layers: 64x48, 128x96, 256x192. */
const structure = "50 0040 0030 0080 0060 0100 00c0";
const n = key.length;
const m = vp9Delta.length;
const third = vp9Delta;

export const vp9Cases: readonly CodecCase[] = [
  {
    name: "a keyframe in one packet, with its size",
    frame: key,
    payloads: [head("9e 8000 10 0040 0030", key)],
    keyframe: true,
    size: [64, 48],
    sender: { maxPayload: 1200 },
  },
  {
    name: "a keyframe in two even packets, B on the first, E on the last",
    frame: key,
    payloads: [head("9a 8000 10 0040 0030", key.subarray(0, 7)), head("94 8000", key.subarray(7))],
    keyframe: true,
    size: [64, 48],
    sender: { maxPayload: 16 },
  },
  {
    name: "a delta frame in flexible mode, with its reference",
    frame: vp9Delta,
    payloads: [head("dc 8000 02", vp9Delta)],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "three references and a short picture id",
    frame: vp9Delta,
    payloads: [head("dc 7f 03 05 08", vp9Delta)],
    keyframe: false,
  },
  {
    name: "non-flexible mode with temporal layers and a picture group",
    frame: key,
    // I L B E V; TID 0 U; TL0PICIDX 9; one layer with its size and two pictures, of one and two references.
    payloads: [head("ae 8001 10 09 18 0040 0030 02 14 02 38 01 02", key)],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "a delta frame of an upper temporal layer",
    frame: vp9Delta,
    payloads: [head("e8 8003 40 09", vp9Delta.subarray(0, 3)), head("e4 8003 40 09", vp9Delta.subarray(3))],
    keyframe: false,
  },
  {
    name: "two spatial layers make a superframe, the upper one gives the size",
    frame: join(key, vp9Sized, [0xc1, n, vp9Sized.length, 0xc1]),
    payloads: [head("ae 8001 10 09 30 0040 0030 0100 00c0", key), head("ac 8001 13 09", vp9Sized)],
    keyframe: true,
    size: [128, 96],
  },
  {
    name: "three spatial layers in parts, the size from the structure",
    frame: join(key, vp9Delta, third, [0xc2, n, m, m, 0xc2]),
    payloads: [
      head(`aa 8001 10 09 ${structure}`, key.subarray(0, 5)),
      head("a4 8001 10 09", key.subarray(5)),
      head("ac 8001 13 09", vp9Delta),
      head("a8 8001 15 09", third.subarray(0, 3)),
      head("a4 8001 15 09", third.subarray(3)),
    ],
    keyframe: true,
    size: [256, 192],
  },
  {
    name: "layers that bring their index are left alone",
    frame: join(key, vp9Sized, [0xc1, n, vp9Sized.length, 0xc1]),
    payloads: [
      head("ac 8001 10 09", key),
      head("ac 8001 13 09", join(vp9Sized, [0xc1, n, vp9Sized.length, 0xc1])),
    ],
    keyframe: true,
    size: [128, 96],
  },
  {
    name: "an index that covers the last layer only does not count",
    frame: join(key, vp9Delta, [0xc0, m, 0xc0], [0xc1, n, m + 3, 0xc1]),
    payloads: [head("ac 8001 10 09", key), head("ac 8001 13 09", join(vp9Delta, [0xc0, m, 0xc0]))],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "layer frames longer than 255 octets have longer sizes in the index",
    frame: join(vp9Delta, new Uint8Array(300), vp9Delta, [0xc9, (m + 300) & 255, 1, m, 0, 0xc9]),
    payloads: [head("ec 8001 10 09", join(vp9Delta, new Uint8Array(300))), head("ec 8001 13 09", vp9Delta)],
    keyframe: false,
  },
  {
    name: "an upper layer alone is a delta frame",
    frame: vp9Sized,
    payloads: [head("ec 8001 04 09", vp9Sized)],
    keyframe: false,
  },
  {
    name: "a keyframe inside an upper layer does not count",
    frame: key,
    payloads: [head("ac 8001 02 09", key)],
    keyframe: false,
  },
  {
    name: "a keyframe said to refer to others does not count",
    frame: key,
    payloads: [head("cc 8001", key)],
    keyframe: false,
  },
  {
    name: "an intra-only frame is no keyframe",
    frame: vp9IntraOnly,
    payloads: [head("8c 8001", vp9IntraOnly)],
    keyframe: false,
  },
  {
    name: "a frame that is only shown again",
    frame: hex("88"),
    payloads: [hex("8c 8001 88")],
    keyframe: false,
  },
  { name: "a frame without its first packet is nothing", frame: undefined, payloads: [head("84 8001", key)] },
  {
    name: "a keyframe without the sync code is nothing",
    frame: undefined,
    payloads: [hex("8c 8001 82 49 83 43 00 03 f0 02 f6")],
  },
  {
    name: "a keyframe cut in its header is nothing",
    frame: undefined,
    payloads: [hex("8c 8001 82 49 83 42")],
  },
  {
    name: "what begins without a frame marker is nothing",
    frame: undefined,
    payloads: [hex("8c 8001 42 49")],
  },
  {
    name: "more than eight layer frames are nothing",
    frame: undefined,
    payloads: Array.from({ length: 9 }, () => hex("8c 8001 88")),
  },
];

/** Every combination of the flags I, P, L, F, V and the width of the picture id, with its descriptor length. */
export function vp9DescriptorTable(): {
  name: string;
  payload: Uint8Array;
  length: number;
  flags: { i: boolean; p: boolean; l: boolean; f: boolean; v: boolean };
  wide: boolean;
}[] {
  const out = [];
  for (let bits = 0; bits < 64; bits++) {
    const [i, p, l, f, v, wide] = [1, 2, 4, 8, 16, 32].map((bit) => (bits & bit) !== 0);
    const bytes = [(i ? 0x80 : 0) | (p ? 0x40 : 0) | (l ? 0x20 : 0) | (f ? 0x10 : 0) | 0x08 | (v ? 2 : 0)];
    if (i) bytes.push(...(wide ? [0x81, 0x23] : [0x45]));
    // TID 2, U, SID 1, D.
    if (l) bytes.push(0x53);
    if (l && !f) bytes.push(0x67);
    if (f && p) bytes.push(0x03, 0x04);
    if (v) bytes.push(...hex("38 0040 0030 0080 0060 02 14 02 38 01 02"));
    const name = `${i ? "I" : "-"}${p ? "P" : "-"}${l ? "L" : "-"}${f ? "F" : "-"}${v ? "V" : "-"} ${wide ? 15 : 7} bit`;
    const flags = { i: i === true, p: p === true, l: l === true, f: f === true, v: v === true };
    out.push({
      name,
      payload: Uint8Array.from([...bytes, 0x86]),
      length: bytes.length,
      flags,
      wide: wide === true,
    });
  }
  return out;
}
