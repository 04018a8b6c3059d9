import { ascii, asciiBytes, concat, u8 } from "../../bytes.ts";
import { CRC_AT, oggCrc } from "./crc.ts";

/** Longest lacing of one page: 255 segments of up to 255 octets (RFC 3533 section 6). */
export const MAX_SEGMENTS = 255;
/** Octets of a full segment; a shorter one ends its packet. */
export const SEGMENT = 255;
/** What every page begins with. */
export const CAPTURE = "OggS";
/** Octets of a page before its lacing. */
const HEADER = 27;
const CONTINUED = 1;
const FIRST = 2;
const LAST = 4;

/** What stands on a page. */
export type OggPage = {
  /** Identifies the logical stream. */
  readonly serial: number;
  /** Number of the page in its stream, from 0. */
  readonly sequence: number;
  /**
   * Position behind the last packet that ends on the page, 0..2^53-1; undefined: none does, or the position is none
   * that can be counted to.
   */
  readonly granule: number | undefined;
  readonly first?: boolean;
  readonly last?: boolean;
  /** The page begins in the middle of a packet. */
  readonly continued?: boolean;
  /** The lacing values, and the octets that they describe. */
  readonly lacing: readonly number[] | Uint8Array;
  readonly body: readonly Uint8Array[];
};

/** A page with its checksum (RFC 3533 section 6). */
export function oggPage(p: OggPage): Uint8Array {
  const header = new Uint8Array(HEADER + p.lacing.length);
  header.set(asciiBytes(CAPTURE));
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

/**
 * Octets of the page at `at`, as far as `b` tells: undefined where no page can be, 0 where more octets are needed to
 * know. The page itself may end behind the end of `b`.
 */
export function oggPageLength(b: Uint8Array, at: number): number | undefined {
  const known = Math.min(CAPTURE.length, b.length - at);
  if (ascii(b, at, at + known) !== CAPTURE.slice(0, known)) return undefined;
  // The one version there is.
  if (at + 4 < b.length && u8(b, at + 4) !== 0) return undefined;
  if (at + HEADER > b.length) return 0;
  const segments = u8(b, at + 26);
  if (at + HEADER + segments > b.length) return 0;
  let length = HEADER + segments;
  for (let i = 0; i < segments; i++) length += u8(b, at + HEADER + i);
  return length;
}

/** Reads a page that is there from its first octet to its last; undefined: its checksum is wrong. No copy is made. */
export function readOggPage(page: Uint8Array): OggPage | undefined {
  if (little(page, CRC_AT, 4) !== oggCrc(page)) return undefined;
  const flags = u8(page, 5);
  const segments = u8(page, 26);
  const granule = little(page, 6, 8);
  return {
    serial: little(page, 14, 4),
    sequence: little(page, 18, 4),
    granule: granule <= Number.MAX_SAFE_INTEGER ? granule : undefined,
    first: (flags & FIRST) !== 0,
    last: (flags & LAST) !== 0,
    continued: (flags & CONTINUED) !== 0,
    lacing: page.subarray(HEADER, HEADER + segments),
    body: [page.subarray(HEADER + segments)],
  };
}

/** `length` octets, the lowest first, as in all numbers of Ogg and of the headers of Opus. */
export function little(b: Uint8Array, at: number, length: number): number {
  let v = 0;
  for (let i = length - 1; i >= 0; i--) v = v * 256 + u8(b, at + i);
  return v;
}

/** Writes a number into `length` octets, the lowest first. */
export function putLittle(b: Uint8Array, at: number, value: number, length: number): void {
  let rest = value;
  for (let i = 0; i < length; i++) {
    b[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
