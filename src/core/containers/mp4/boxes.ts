import { asciiBytes, concat, putU16, putU32 } from "../../bytes.ts";

/** What boxes are made of (ISO/IEC 14496-12 section 4.2). */

/** A box with its content. `type`: four letters. */
export function box(type: string, ...content: readonly Uint8Array[]): Uint8Array {
  return concat([
    boxHeader(
      type,
      content.reduce((n, c) => n + c.length, 0),
    ),
    ...content,
  ]);
}

/** What stands before `size` octets of content, fewer than 2^32 - 8. */
export function boxHeader(type: string, size: number): Uint8Array {
  return concat([u32s(8 + size), asciiBytes(type)]);
}

/** A box with a version, 0..255, and flags, 24 bits. */
export function fullBox(
  type: string,
  version: number,
  flags: number,
  ...content: readonly Uint8Array[]
): Uint8Array {
  return box(type, u32s(version * 2 ** 24 + flags), ...content);
}

/** Numbers of 16 bits. */
export function u16s(...values: readonly number[]): Uint8Array {
  const b = new Uint8Array(2 * values.length);
  for (const [i, v] of values.entries()) putU16(b, 2 * i, v);
  return b;
}

/** Numbers of 32 bits; of negative ones and of longer ones the low bits. */
export function u32s(...values: readonly number[]): Uint8Array {
  const b = new Uint8Array(4 * values.length);
  for (const [i, v] of values.entries()) putU32(b, 4 * i, v);
  return b;
}

/** A number of 64 bits, 0..2^53. */
export function u64(value: number): Uint8Array {
  return u32s(Math.floor(value / 2 ** 32), value);
}

/** Octets of nothing. */
export function zeros(n: number): Uint8Array {
  return new Uint8Array(n);
}

/**
 * A descriptor of MPEG-4 systems (ISO/IEC 14496-1 section 8.3.3), with its length in four octets: there are readers
 * that know no other. At most 2^28 - 1 octets.
 */
export function descriptor(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const size = content.reduce((n, c) => n + c.length, 0);
  const length = [size >>> 21, size >>> 14, size >>> 7].map((v) => 0x80 | (v & 0x7f));
  return concat([Uint8Array.of(tag, ...length, size & 0x7f), ...content]);
}
