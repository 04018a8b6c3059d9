import { equalBytes } from "../bytes.ts";

/** Goes before every NAL unit of an Annex B stream. */
export const START_CODE: Uint8Array = Uint8Array.of(0, 0, 0, 1);

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

/** NAL units without the repetitions among them. */
export function distinctNals(nals: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const nal of nals) if (!out.some((n) => equalBytes(n, nal))) out.push(nal);
  return out;
}
