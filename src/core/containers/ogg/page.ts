import { asciiBytes, concat } from "../../bytes.ts";

/** Longest lacing of one page: 255 segments of up to 255 octets (RFC 3533 section 6). */
export const MAX_SEGMENTS = 255;
const SEGMENT = 255;
const HEADER = 27;
const CRC_AT = 22;
const FIRST = 2;
const LAST = 4;
const CONTINUED = 1;

/** What stands on a page. */
export type OggPage = {
  /** Identifies the logical stream. */
  readonly serial: number;
  /** Number of the page in its stream, from 0. */
  readonly sequence: number;
  /** Position behind the last packet that ends on the page; undefined: none does. */
  readonly granule: number | undefined;
  readonly first?: boolean;
  readonly last?: boolean;
  /** The page begins in the middle of a packet. */
  readonly continued?: boolean;
  /** The lacing values, and the octets that they describe. */
  readonly lacing: readonly number[];
  readonly body: readonly Uint8Array[];
};

/** Lacing values of a packet of so many octets: as many 255 as fit, and a smaller one. */
export function lacingOf(length: number): number[] {
  const whole = Math.floor(length / SEGMENT);
  return [...new Array<number>(whole).fill(SEGMENT), length - whole * SEGMENT];
}

/** A page with its checksum (RFC 3533 section 6). */
export function oggPage(p: OggPage): Uint8Array {
  const header = new Uint8Array(HEADER + p.lacing.length);
  header.set(asciiBytes("OggS"));
  header[5] = (p.continued ? CONTINUED : 0) | (p.first ? FIRST : 0) | (p.last ? LAST : 0);
  // All bits set says that no packet ends here.
  if (p.granule === undefined) header.fill(0xff, 6, 14);
  else putLittle(header, 6, p.granule, 8);
  putLittle(header, 14, p.serial, 4);
  putLittle(header, 18, p.sequence, 4);
  header[26] = p.lacing.length;
  header.set(p.lacing, HEADER);
  const page = concat([header, ...p.body]);
  putLittle(page, CRC_AT, oggCrc(page), 4);
  return page;
}

/** CRC-32 with the polynomial 04C11DB7, not reflected, zero at the start; the checksum's own place counts as zero. */
export function oggCrc(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const octet = i >= CRC_AT && i < CRC_AT + 4 ? 0 : (page[i] ?? 0);
    crc = ((crc << 8) ^ (table[((crc >>> 24) ^ octet) & 0xff] ?? 0)) >>> 0;
  }
  return crc;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

function putLittle(b: Uint8Array, at: number, value: number, length: number): void {
  let rest = value;
  for (let i = 0; i < length; i++) {
    b[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
