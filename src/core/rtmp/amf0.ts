import { ascii, asciiBytes, concat, putU16, u8, u16, u32 } from "../bytes.ts";

/** A value of AMF0. Strings hold octets: what is not ASCII is UTF-8 with a character for each octet. */
export type Amf =
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly Amf[]
  | { readonly [name: string]: Amf };

/** Type markers (Action Message Format 0, section 2.1). */
const Marker = {
  number: 0x00,
  boolean: 0x01,
  string: 0x02,
  object: 0x03,
  null: 0x05,
  undefined: 0x06,
  ecmaArray: 0x08,
  objectEnd: 0x09,
  strictArray: 0x0a,
  date: 0x0b,
  longString: 0x0c,
} as const;

/** Objects inside objects; no server sends as many. */
const MAX_DEPTH = 8;
/** Values of one message. */
const MAX_VALUES = 1000;

/** The octets of values, one after the other. Strings longer than 65 535 octets are long strings. */
export function encodeAmf(...values: readonly Amf[]): Uint8Array {
  return concat(values.flatMap(encodeValue));
}

function encodeValue(v: Amf): Uint8Array[] {
  if (v === null) return [Uint8Array.of(Marker.null)];
  if (v === undefined) return [Uint8Array.of(Marker.undefined)];
  if (typeof v === "number") {
    const b = new Uint8Array(9);
    new DataView(b.buffer).setFloat64(1, v);
    return [b];
  }
  if (typeof v === "boolean") return [Uint8Array.of(Marker.boolean, v ? 1 : 0)];
  if (typeof v === "string") {
    const octets = asciiBytes(v);
    const n = octets.length;
    if (n > 0xffff) return [Uint8Array.of(Marker.longString, n >>> 24, n >>> 16, n >>> 8, n), octets];
    return [Uint8Array.of(Marker.string, n >>> 8, n), octets];
  }
  if (isArray(v)) {
    const n = v.length;
    return [Uint8Array.of(Marker.strictArray, n >>> 24, n >>> 16, n >>> 8, n), ...v.flatMap(encodeValue)];
  }
  const members = Object.entries(v).flatMap(([name, value]) => [nameBytes(name), ...encodeValue(value)]);
  return [Uint8Array.of(Marker.object), ...members, Uint8Array.of(0, 0, Marker.objectEnd)];
}

/** `Array.isArray` does not tell a readonly array from an object. */
function isArray(v: readonly Amf[] | { readonly [name: string]: Amf }): v is readonly Amf[] {
  return Array.isArray(v);
}

function nameBytes(name: string): Uint8Array {
  const b = new Uint8Array(2 + name.length);
  putU16(b, 0, name.length);
  b.set(asciiBytes(name), 2);
  return b;
}

/** The values of a message. What cannot be read, and all behind it, is left out. */
export function decodeAmf(b: Uint8Array, from = 0): Amf[] {
  const cursor: Cursor = { b, at: from, left: MAX_VALUES, failed: false };
  const out: Amf[] = [];
  while (cursor.at < b.length) {
    const v = decodeValue(cursor, 0);
    if (cursor.failed) break;
    out.push(v);
  }
  return out;
}

type Cursor = { readonly b: Uint8Array; at: number; left: number; failed: boolean };

function decodeValue(c: Cursor, depth: number): Amf {
  const marker = u8(c.b, take(c, 1));
  if (c.left-- <= 0 || depth > MAX_DEPTH) c.failed = true;
  if (c.failed) return undefined;
  switch (marker) {
    case Marker.number:
      return float(c);
    case Marker.boolean:
      return u8(c.b, take(c, 1)) !== 0;
    case Marker.string:
      return octets(c, u16(c.b, take(c, 2)));
    case Marker.longString:
      return octets(c, u32(c.b, take(c, 4)));
    case Marker.object:
      return members(c, depth);
    case Marker.ecmaArray:
      take(c, 4);
      return members(c, depth);
    case Marker.strictArray: {
      const n = u32(c.b, take(c, 4));
      const out: Amf[] = [];
      while (out.length < n && !c.failed) out.push(decodeValue(c, depth + 1));
      return out;
    }
    case Marker.date: {
      const ms = float(c);
      take(c, 2);
      return ms;
    }
    case Marker.null:
      return null;
    case Marker.undefined:
      return undefined;
    default:
      c.failed = true;
      return undefined;
  }
}

function members(c: Cursor, depth: number): { readonly [name: string]: Amf } {
  const out = new Map<string, Amf>();
  while (!c.failed) {
    const name = octets(c, u16(c.b, take(c, 2)));
    if (name === "" && u8(c.b, c.at) === Marker.objectEnd) {
      take(c, 1);
      break;
    }
    const value = decodeValue(c, depth + 1);
    if (!c.failed) out.set(name, value);
  }
  return Object.fromEntries(out);
}

function float(c: Cursor): number {
  const at = take(c, 8);
  if (c.failed) return 0;
  return new DataView(c.b.buffer, c.b.byteOffset + at, 8).getFloat64(0);
}

function octets(c: Cursor, n: number): string {
  const at = take(c, n);
  return c.failed ? "" : ascii(c.b, at, at + n);
}

/** Where the next `n` octets start; fails where they end before. */
function take(c: Cursor, n: number): number {
  const at = c.at;
  if (at + n > c.b.length) c.failed = true;
  else c.at += n;
  return at;
}

/** A named member of a value, when it is text. */
export function textOf(v: Amf, name: string): string | undefined {
  if (typeof v !== "object" || v === null || isArray(v)) return undefined;
  const member = v[name];
  return typeof member === "string" ? member : undefined;
}
