import { u8 } from "../bytes.ts";

/** NAL unit types (ISO/IEC 14496-10 table 7-1) and the packet types of RFC 6184 section 5.2. */
export const NalType = {
  slice: 1,
  partitionC: 4,
  idr: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  delimiter: 9,
  endOfStream: 11,
  filler: 12,
  stapA: 24,
  fuA: 28,
} as const;

/** Type of the NAL unit that begins at byte `i`. */
export function nalType(b: Uint8Array, i = 0): number {
  return u8(b, i) & 0x1f;
}

/** True for types that carry picture data: slices and slice partitions. */
export function isVcl(type: number): boolean {
  return type >= NalType.slice && type <= NalType.idr;
}
