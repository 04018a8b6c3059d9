import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

/** Parameter sets written by x264 for synthetic pictures. */
export const sets = {
  sps494x370: hex("6742c015da07c31ea23011000003000100000300140f162ea0"),
  sps640x480: hex("6742c016da0280f6c044000003000400000300503c58ba80"),
  sps1920x1080: hex("6742c028da01e0089f97011000000300100000030140f1832a"),
  sps422: hex("677a0015b6cd941f0c7a8fc044000003000400000300503c58b658"),
  sps444: hex("67f4000c919b282a10f084218088000003000800000300a078a14cb0"),
  spsInterlaced: hex("6764001eacd940b424d8088000000300800000190f8a14cb"),
  pps: hex("68ce0fc8"),
} as const;

/** Slices as far as their headers matter: first_mb 0, slice type 7 (I) or 5 (P), PPS 0; then filling. */
export const idr = hex("65 88 84 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a");
export const slice = hex("41 9a 24 01 02 03 04");
export const secondSlice = hex("41 4e 24 01 02 03 04");
export const discardableSlice = hex("01 9e 24 01 02 03");
export const sei = hex("06 05 02 aa bb 80");

/** Annex B of these NAL units. */
export function annexB(...nals: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(nals.flatMap((n) => [Uint8Array.of(0, 0, 0, 1), n])));
}

/** A STAP-A of these NAL units. */
export function stapA(...nals: Uint8Array[]): Uint8Array {
  return Uint8Array.from([0x78, ...nals.flatMap((n) => [n.length >> 8, n.length & 255, ...n])]);
}

/** FU-A fragments of a NAL unit, `size` bytes each. */
export function fuA(nal: Uint8Array, size: number): Uint8Array[] {
  const body = nal.subarray(1);
  const header = nal[0] ?? 0;
  const out: Uint8Array[] = [];
  for (let i = 0; i < body.length; i += size) {
    const flags = (i === 0 ? 0x80 : 0) | (i + size >= body.length ? 0x40 : 0);
    out.push(Uint8Array.from([(header & 0xe0) | 28, flags | (header & 31), ...body.subarray(i, i + size)]));
  }
  return out;
}

const { sps494x370, sps640x480, pps } = sets;
const longIdr = Uint8Array.from([...idr, ...Array.from({ length: 26 }, (_, i) => 0x40 + i)]);
const idrParts = fuA(idr, 8);
const [idrFirst = idr, , idrLast = idr] = idrParts;

export const h264Cases: readonly CodecCase[] = [
  {
    name: "parameter sets in a STAP-A, then the IDR slice",
    frame: annexB(sps494x370, pps, idr),
    payloads: [stapA(sps494x370, pps), idr],
    keyframe: true,
    size: [494, 370],
    sender: { maxPayload: 1200 },
  },
  {
    name: "an IDR slice in even FU-A fragments, S on the first and E on the last",
    frame: annexB(sps640x480, pps, longIdr),
    payloads: [
      stapA(sps640x480, pps),
      Uint8Array.from([0x7c, 0x85, ...longIdr.subarray(1, 23)]),
      Uint8Array.from([0x7c, 0x45, ...longIdr.subarray(23)]),
    ],
    keyframe: true,
    size: [640, 480],
    sender: { maxPayload: 36 },
  },
  {
    name: "a P slice",
    frame: annexB(slice),
    payloads: [slice],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "the sender leaves out delimiter and filler and takes short start codes",
    frame: annexB(slice, secondSlice),
    payloads: [slice, secondSlice],
    keyframe: false,
    sender: {
      maxPayload: 1200,
      sent: hex("000001 0930 00000001 419a2401020304 000001 414e2401020304 000001 0cffff80"),
    },
  },
  {
    name: "mode 0: every NAL unit in its own packet",
    frame: annexB(sps494x370, pps, sei, idr),
    payloads: [sps494x370, pps, sei, idr],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "everything in one STAP-A, without delimiter and filler",
    frame: annexB(sps494x370, pps, idr),
    payloads: [stapA(hex("09 10"), sps494x370, pps, hex("0c ff 80"), idr)],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "an SPS in fragments is learned too",
    frame: annexB(sps494x370, pps, idr),
    payloads: [...fuA(sps494x370, 6), pps, ...idrParts],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "zero padding after a NAL unit is cut",
    frame: annexB(slice),
    payloads: [Uint8Array.from([...slice, 0, 0, 0])],
    keyframe: false,
  },
  {
    name: "a STAP-A with a cut tail keeps what came before",
    frame: annexB(slice),
    payloads: [Uint8Array.from([...stapA(slice), 0, 99, 0x41, 1])],
    keyframe: false,
  },
  { name: "an IDR slice without parameter sets is nothing", frame: undefined, payloads: [idr] },
  {
    name: "an IDR slice of an unknown PPS is nothing",
    frame: undefined,
    // pps id 1: ue 010
    payloads: [stapA(sps494x370, pps), hex("65 88 44 0a 0b 0c")],
  },
  { name: "parameter sets alone are nothing", frame: undefined, payloads: [stapA(sps494x370, pps)] },
  { name: "SEI alone is nothing", frame: undefined, payloads: [sei] },
  { name: "fragments without their start are nothing", frame: undefined, payloads: idrParts.slice(1) },
  { name: "fragments without their end are nothing", frame: undefined, payloads: idrParts.slice(0, 2) },
  {
    name: "an unfinished NAL unit does not leak into the next",
    frame: annexB(slice),
    payloads: [idrFirst, slice, idrLast],
    keyframe: false,
  },
  {
    name: "an empty last fragment ends a NAL unit",
    frame: annexB(hex("41 9a 24 01 02 03 04 05")),
    payloads: [hex("5c 81 9a 24 01 02"), hex("5c 01 03 04 05"), hex("5c 41")],
    keyframe: false,
  },
];
