import { u8 } from "../bytes.ts";
import { leb128, leb128Length, leb128Size, putLeb128 } from "./leb128.ts";

/** Types of open bitstream units (AV1 bitstream specification section 6.2.2). */
export const ObuType = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  tileGroup: 4,
  metadata: 5,
  frame: 6,
  redundantFrameHeader: 7,
  tileList: 8,
  padding: 15,
} as const;

const FORBIDDEN = 0x80;
const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;

/** One OBU inside a larger array. */
export type Obu = {
  readonly type: number;
  /** Header octets: 1, or 2 with layer ids. */
  readonly headerLength: number;
  /** Where the OBU begins, its data begins, and both end. */
  readonly from: number;
  readonly data: number;
  readonly end: number;
};

/** Type of the OBU whose header is at `i`. */
export function obuType(b: Uint8Array, i: number): number {
  return (u8(b, i) >> 3) & 15;
}

/** Octets of the OBU header at `i`, 1 or 2, without a size. */
export function obuHeaderLength(b: Uint8Array, i: number): number {
  return u8(b, i) & HAS_EXTENSION ? 2 : 1;
}

/** True when the OBU whose header is at `i` says how long it is. */
export function obuHasSize(b: Uint8Array, i: number): boolean {
  return (u8(b, i) & HAS_SIZE) !== 0;
}

/** Neither transport nor Matroska carries these: delimiters, tile lists and padding. */
export function isDroppedObu(type: number): boolean {
  return type === ObuType.temporalDelimiter || type === ObuType.tileList || type === ObuType.padding;
}

/**
 * The OBU at `from`; one without a size goes up to `to`, which may lie past the octets at hand. undefined when it
 * does not fit or its forbidden bit is set.
 */
export function parseObu(b: Uint8Array, from: number, to: number): Obu | undefined {
  const headerLength = obuHeaderLength(b, from);
  let data = from + headerLength;
  if (data > to || u8(b, from) & FORBIDDEN) return undefined;
  let end = to;
  if (obuHasSize(b, from)) {
    const length = leb128Length(b, data);
    if (length === 0) return undefined;
    end = data + length + leb128(b, data, length);
    data += length;
  }
  return end > to ? undefined : { type: obuType(b, from), headerLength, from, data, end };
}

/** The OBUs of a temporal unit in low-overhead format (section 5.2), up to the first that makes no sense. */
export function splitObus(unit: Uint8Array): Obu[] {
  const out: Obu[] = [];
  for (let at = 0; at < unit.length; ) {
    const obu = parseObu(unit, at, unit.length);
    if (!obu) break;
    out.push(obu);
    at = obu.end;
  }
  return out;
}

/** The header of the OBU at `o.from`, without a size as RTP carries it. */
export function bareObuHeader(b: Uint8Array, o: Obu): Uint8Array {
  const head = u8(b, o.from) & ~HAS_SIZE;
  return o.headerLength === 2 ? Uint8Array.of(head, u8(b, o.from + 1)) : Uint8Array.of(head);
}

/** The header of the OBU at `i` with the size of its data, as it stands in files. */
export function sizedObuHeader(b: Uint8Array, i: number, dataLength: number): Uint8Array {
  const length = obuHeaderLength(b, i);
  const header = new Uint8Array(length + leb128Size(dataLength));
  header[0] = u8(b, i) | HAS_SIZE;
  if (length === 2) header[1] = u8(b, i + 1);
  putLeb128(header, length, dataLength);
  return header;
}
