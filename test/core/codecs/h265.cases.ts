import type { CodecCase } from "./codec-case.ts";
import { annexB } from "./h264.cases.ts";
import { hex } from "./hex.ts";

/** Parameter sets written by x265 for synthetic pictures. */
export const h265Sets = {
  vps: hex("40010c01ffff01600000030090000003000003003f959809"),
  sps494x370: hex("42010101600000030090000003000003003fa00f8805e75265959a4932bc05a020000003002000000303c1"),
  sps640x480: hex("42010101600000030090000003000003005aa0050201e165959a4932bc05a020000003002000000303c1"),
  /** 4:2:2 with 10 bits, two temporal layers, 322x242. */
  sps422: hex(
    "4201020408000003009d0800000300003c0000b00a480f9c93b659598acd24995e02d010000003001000000301e080",
  ),
  sps444: hex("4201010408000003009e0800000300003c90014101e2cb2b349265780b4040000003004000000782"),
  pps: hex("4401c172b46240"),
} as const;

/** Slices as far as their headers matter: first slice, PPS 0; then filling. Type 20 is IDR_N_LP, 21 CRA_NUT. */
export const h265Idr = hex("28 01 af 08 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19");
export const h265Cra = hex("2a 01 af 08 0a 0b");
export const h265SecondIdrSlice = hex("28 01 2f 08 0a 0b");
export const h265Slice = hex("02 01 d0 11 57 84");
export const h265SecondSlice = hex("02 01 50 11 57 84");
export const h265DiscardableSlice = hex("00 01 e0 24 bf 86");
export const h265Sei = hex("4e 01 05 02 aa bb 80");

/** An aggregation packet of these NAL units. */
export function aggregation(...nals: Uint8Array[]): Uint8Array {
  return Uint8Array.from([0x60, 0x01, ...nals.flatMap((n) => [n.length >> 8, n.length & 255, ...n])]);
}

/** Fragmentation units of a NAL unit, `size` octets each; `donl` goes into the first. */
export function fragments(nal: Uint8Array, size: number, donl: readonly number[] = []): Uint8Array[] {
  const body = nal.subarray(2);
  const [first = 0, second = 0] = nal;
  const out: Uint8Array[] = [];
  for (let i = 0; i < body.length; i += size) {
    const flags = (i === 0 ? 0x80 : 0) | (i + size >= body.length ? 0x40 : 0);
    const header = [(first & 0x81) | 0x62, second, flags | ((first >> 1) & 0x3f)];
    out.push(Uint8Array.from([...header, ...(i === 0 ? donl : []), ...body.subarray(i, i + size)]));
  }
  return out;
}

const { vps, sps494x370, sps640x480, pps } = h265Sets;
const longIdr = Uint8Array.from([...h265Idr, ...Array.from({ length: 80 }, (_, i) => 0x40 + i)]);
const idrParts = fragments(h265Idr, 8);
const [idrFirst = h265Idr, , idrLast = h265Idr] = idrParts;

export const h265Cases: readonly CodecCase[] = [
  {
    name: "parameter sets in an aggregation packet, then the IDR slice",
    frame: annexB(vps, sps494x370, pps, h265Idr),
    payloads: [aggregation(vps, sps494x370, pps), h265Idr],
    keyframe: true,
    size: [494, 370],
    sender: { maxPayload: 1200 },
  },
  {
    name: "an IDR slice in even fragments, S on the first and E on the last",
    frame: annexB(vps, sps640x480, pps, longIdr),
    payloads: [
      aggregation(vps, sps640x480, pps),
      Uint8Array.from([0x62, 0x01, 0x94, ...longIdr.subarray(2, 51)]),
      Uint8Array.from([0x62, 0x01, 0x54, ...longIdr.subarray(51)]),
    ],
    keyframe: true,
    size: [640, 480],
    sender: { maxPayload: 90 },
  },
  {
    name: "a picture of two slices",
    frame: annexB(h265Slice, h265SecondSlice),
    payloads: [h265Slice, h265SecondSlice],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "the sender leaves out delimiter, filler and upper layers",
    frame: annexB(h265Slice),
    payloads: [h265Slice],
    keyframe: false,
    sender: {
      maxPayload: 1200,
      sent: hex("000001 460150 00000001 0201d0115784 000001 0209d0115784 000001 4c01ffff80"),
    },
  },
  {
    name: "every NAL unit in its own packet",
    frame: annexB(vps, sps494x370, pps, h265Sei, h265Idr),
    payloads: [vps, sps494x370, pps, h265Sei, h265Idr],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "everything in one aggregation packet, without delimiter, filler and upper layers",
    frame: annexB(vps, sps494x370, pps, h265Idr, h265SecondIdrSlice),
    payloads: [
      aggregation(
        hex("46 01 50"),
        vps,
        sps494x370,
        pps,
        h265Idr,
        hex("28 09 af 08"),
        h265SecondIdrSlice,
        hex("4c 01 ff 80"),
      ),
    ],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "a CRA picture is a keyframe too",
    frame: annexB(vps, sps494x370, pps, h265Cra),
    payloads: [aggregation(vps, sps494x370, pps), h265Cra],
    keyframe: true,
    size: [494, 370],
    sender: { maxPayload: 1200 },
  },
  {
    name: "an SPS in fragments is learned too",
    frame: annexB(vps, sps494x370, pps, h265Idr),
    payloads: [vps, ...fragments(sps494x370, 9), pps, ...idrParts],
    keyframe: true,
    size: [494, 370],
  },
  {
    name: "zero padding after a NAL unit is cut",
    frame: annexB(h265Slice),
    payloads: [Uint8Array.from([...h265Slice, 0, 0, 0])],
    keyframe: false,
  },
  {
    name: "an aggregation packet with a cut tail keeps what came before",
    frame: annexB(h265Slice),
    payloads: [Uint8Array.from([...aggregation(h265Slice), 0, 99, 0x02, 1])],
    keyframe: false,
  },
  { name: "an IDR slice without parameter sets is nothing", frame: undefined, payloads: [h265Idr] },
  {
    name: "an IDR slice without a VPS is nothing",
    frame: undefined,
    payloads: [aggregation(sps494x370, pps), h265Idr],
  },
  {
    name: "an IDR slice of an unknown PPS is nothing",
    frame: undefined,
    // first_slice 1, no_output_of_prior_pics 0, PPS id 1: ue 010
    payloads: [aggregation(vps, sps494x370, pps), hex("28 01 90 08 0a 0b")],
  },
  {
    name: "parameter sets alone are nothing",
    frame: undefined,
    payloads: [aggregation(vps, sps494x370, pps)],
  },
  { name: "SEI alone is nothing", frame: undefined, payloads: [h265Sei] },
  { name: "fragments without their start are nothing", frame: undefined, payloads: idrParts.slice(1) },
  { name: "fragments without their end are nothing", frame: undefined, payloads: idrParts.slice(0, 2) },
  { name: "a PACI packet is nothing", frame: undefined, payloads: [hex("64 01 02 00 d0 11 57 84")] },
  {
    name: "an unfinished NAL unit does not leak into the next",
    frame: annexB(h265Slice),
    payloads: [idrFirst, h265Slice, idrLast],
    keyframe: false,
  },
  {
    name: "an empty last fragment ends a NAL unit",
    frame: annexB(h265Slice),
    payloads: [hex("62 01 81 d0 11"), hex("62 01 01 57 84"), hex("62 01 41")],
    keyframe: false,
  },
];
