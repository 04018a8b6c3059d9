import { putU32, u8 } from "../bytes.ts";
import { splitAnnexB } from "./annex-b.ts";

/** Rewrites an Annex B access unit with 4-byte NAL lengths, as Matroska and MP4 hold it. */
export function annexBToLengths(annexB: Uint8Array): Uint8Array {
  return joinLengths(splitAnnexB(annexB));
}

/** Joins NAL units behind 4-byte lengths. */
export function joinLengths(nals: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const nal of nals) size += 4 + nal.length;
  const out = new Uint8Array(size);
  let n = 0;
  for (const nal of nals) {
    putU32(out, n, nal.length);
    out.set(nal, n + 4);
    n += 4 + nal.length;
  }
  return out;
}

/** NAL units of an access unit with lengths of `lengthSize` octets; a torn rest is left out. They share its memory. */
export function splitLengths(b: Uint8Array, lengthSize: number): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let n = 0;
  while (n + lengthSize <= b.length) {
    let size = 0;
    for (let i = 0; i < lengthSize; i++) size = size * 256 + u8(b, n + i);
    n += lengthSize;
    if (n + size > b.length) break;
    if (size > 0) nals.push(b.subarray(n, n + size));
    n += size;
  }
  return nals;
}
