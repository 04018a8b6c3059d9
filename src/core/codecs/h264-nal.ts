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

/** Goes before every NAL unit of an Annex B stream. */
export const START_CODE: Uint8Array = Uint8Array.of(0, 0, 0, 1);

/** Type of the NAL unit that begins at byte `i`. */
export function nalType(b: Uint8Array, i = 0): number {
  return u8(b, i) & 0x1f;
}

/** True for types that carry picture data: slices and slice partitions. */
export function isVcl(type: number): boolean {
  return type >= NalType.slice && type <= NalType.idr;
}

/** End of `b` without trailing zero bytes: a NAL unit never ends in one, packets and files pad with them. */
export function trimmedEnd(b: Uint8Array, from: number, to: number): number {
  let end = to;
  while (end > from && b[end - 1] === 0) end--;
  return end;
}

/** Splits an Annex B stream with 3- or 4-byte start codes into NAL units that share its memory. */
export function splitAnnexB(b: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let begin = -1;
  for (let i = 0; i + 2 < b.length; i++) {
    if (b[i + 2] !== 1 || b[i + 1] !== 0 || b[i] !== 0) continue;
    if (begin >= 0) pushNal(nals, b, begin, i);
    begin = i + 3;
    i += 2;
  }
  if (begin >= 0) pushNal(nals, b, begin, b.length);
  return nals;
}

function pushNal(nals: Uint8Array[], b: Uint8Array, from: number, to: number): void {
  const end = trimmedEnd(b, from, to);
  if (end > from) nals.push(b.subarray(from, end));
}

/** Joins NAL units into an Annex B stream with 4-byte start codes. */
export function joinAnnexB(nals: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const nal of nals) size += START_CODE.length + nal.length;
  const out = new Uint8Array(size);
  let n = 0;
  for (const nal of nals) {
    out.set(START_CODE, n);
    out.set(nal, n + START_CODE.length);
    n += START_CODE.length + nal.length;
  }
  return out;
}
