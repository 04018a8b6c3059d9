import { u8 } from "../bytes.ts";

/** Octets that a number may take (AV1 bitstream specification section 4.10.5). */
const MAX_OCTETS = 8;

/** Octets of the number at `i`; 0 when it is cut short or too long. */
export function leb128Length(b: Uint8Array, i: number): number {
  for (let n = 1; n <= MAX_OCTETS && i + n <= b.length; n++) if (u8(b, i + n - 1) < 0x80) return n;
  return 0;
}

/** The number in the `length` octets at `i`, 1 to 8. Past 2^53 it is not exact, but stays as large. */
export function leb128(b: Uint8Array, i: number, length: number): number {
  let v = 0;
  for (let k = length - 1; k >= 0; k--) v = v * 128 + (u8(b, i + k) & 0x7f);
  return v;
}

/** Octets that writing `v` takes, 0 <= v < 2^31. */
export function leb128Size(v: number): number {
  let n = 1;
  for (let rest = v >>> 7; rest > 0; rest >>>= 7) n++;
  return n;
}

/** Writes `v` at `i`, 0 <= v < 2^31, and returns where it ends. */
export function putLeb128(b: Uint8Array, i: number, v: number): number {
  let at = i;
  let rest = v;
  for (; rest >= 0x80; rest >>>= 7) b[at++] = 0x80 | (rest & 0x7f);
  b[at++] = rest;
  return at;
}
