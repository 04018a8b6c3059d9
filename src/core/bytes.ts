/** Big-endian readers and writers over `Uint8Array`. Readers are total: check lengths once, then read. */

/** Byte at `i`; 0 past the end (callers check the length first). */
export function u8(b: Uint8Array, i: number): number {
  return b[i] ?? 0;
}

/** 16-bit big-endian value at `i`. */
export function u16(b: Uint8Array, i: number): number {
  return (u8(b, i) << 8) | u8(b, i + 1);
}

/** 24-bit big-endian value at `i`. */
export function u24(b: Uint8Array, i: number): number {
  return (u8(b, i) << 16) | (u8(b, i + 1) << 8) | u8(b, i + 2);
}

/** 32-bit big-endian value at `i`, unsigned. */
export function u32(b: Uint8Array, i: number): number {
  return ((u8(b, i) << 24) | (u8(b, i + 1) << 16) | (u8(b, i + 2) << 8) | u8(b, i + 3)) >>> 0;
}

/** Writes `v & 0xffff` big-endian at `i`. */
export function putU16(b: Uint8Array, i: number, v: number): void {
  b[i] = v >>> 8;
  b[i + 1] = v;
}

/** Writes the low 24 bits of `v` big-endian at `i`. */
export function putU24(b: Uint8Array, i: number, v: number): void {
  b[i] = v >>> 16;
  b[i + 1] = v >>> 8;
  b[i + 2] = v;
}

/** Writes the low 32 bits of `v` big-endian at `i`. */
export function putU32(b: Uint8Array, i: number, v: number): void {
  b[i] = v >>> 24;
  b[i + 1] = v >>> 16;
  b[i + 2] = v >>> 8;
  b[i + 3] = v;
}

/** One array with the bytes of all parts. A single part is returned as it is, not copied. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  if (parts.length === 1 && only) return only;
  let n = 0;
  for (const p of parts) n += p.length;
  const out = new Uint8Array(n);
  n = 0;
  for (const p of parts) {
    out.set(p, n);
    n += p.length;
  }
  return out;
}

/** True when both arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** ASCII (Latin-1) text of `b[from, to)`. */
export function ascii(b: Uint8Array, from = 0, to = b.length): string {
  let s = "";
  for (let i = from; i < to; i++) s += String.fromCharCode(u8(b, i));
  return s;
}

/** Bytes of an ASCII string. */
export function asciiBytes(s: string): Uint8Array {
  const b = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
  return b;
}
