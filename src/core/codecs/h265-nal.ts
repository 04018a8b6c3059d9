import { u8 } from "../bytes.ts";

/** NAL unit types (ISO/IEC 23008-2 table 7-1) and the packet types of RFC 7798 section 4.4. */
export const H265NalType = {
  /** First and last type of random access pictures (IRAP). */
  firstIrap: 16,
  lastIrap: 23,
  /** The first type that carries no picture data. */
  vps: 32,
  sps: 33,
  pps: 34,
  delimiter: 35,
  filler: 38,
  prefixSei: 39,
  aggregation: 48,
  fragmentation: 49,
  paci: 50,
} as const;

/** Octets of a NAL unit's header, and of a packet's payload header. */
export const H265_HEADER = 2;

/** Type of the NAL unit or payload that begins at byte `i`. */
export function h265NalType(b: Uint8Array, i = 0): number {
  return (u8(b, i) >> 1) & 0x3f;
}

/** nuh_layer_id of the NAL unit at byte `i`: 0 is the layer that every decoder decodes. */
export function h265LayerId(b: Uint8Array, i = 0): number {
  return ((u8(b, i) & 1) << 5) | (u8(b, i + 1) >> 3);
}

/** True for types that carry picture data. */
export function isH265Vcl(type: number): boolean {
  return type < H265NalType.vps;
}

/** True for random access pictures. */
export function isIrap(type: number): boolean {
  return type >= H265NalType.firstIrap && type <= H265NalType.lastIrap;
}
