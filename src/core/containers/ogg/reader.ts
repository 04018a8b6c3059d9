import { concat } from "../../bytes.ts";
import { CAPTURE, type OggPage, oggPageLength, readOggPage, SEGMENT } from "./page.ts";

/** A packet longer than this is left out: comments with a picture in them fit, what fills the memory does not. */
const MAX_PACKET = 1 << 20;
/** Streams in one file; pages of others are left out. */
const MAX_STREAMS = 64;

/** A packet of a logical stream. */
export type OggPacket = {
  /** Identifies the stream. */
  readonly serial: number;
  /** Memory of its own. */
  readonly data: Uint8Array;
  /** Position behind the packet; undefined: only that behind a later packet of its page is told. */
  readonly granule: number | undefined;
  /** The stream begins with it. */
  readonly first: boolean;
  /** The stream ends with it: its position may lie before its end. */
  readonly last: boolean;
  /** Packets of the stream, or parts of them, are missing before it. */
  readonly lost: boolean;
};

type Stream = {
  /** Number that the next page should have. */
  sequence: number;
  /** A packet whose end has not come; undefined: none. */
  open: Uint8Array[] | undefined;
  openSize: number;
  lost: boolean;
};

/**
 * Reads Ogg piece by piece (RFC 3533): push the octets of a file in order, get packets. Pages whose checksum is wrong
 * are left out, and so is everything that is no page; reading goes on at the next that is one.
 */
export class OggReader {
  #buffer: Uint8Array = new Uint8Array(0);
  #damaged = 0;
  readonly #streams = new Map<number, Stream>();

  /** Octets so far that belong to no page that can be read. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Octets that wait for more: at the end of the file, what is torn. */
  get pending(): number {
    return this.#buffer.length;
  }

  /** Adds the next octets of the file and returns the packets that they complete. */
  push(bytes: Uint8Array): OggPacket[] {
    const b = this.#buffer.length === 0 ? bytes : concat([this.#buffer, bytes]);
    const out: OggPacket[] = [];
    let at = 0;
    while (at < b.length) {
      const length = oggPageLength(b, at);
      if (length === 0 || (length !== undefined && at + length > b.length)) break;
      const page = length === undefined ? undefined : readOggPage(b.subarray(at, at + length));
      if (page && length !== undefined) {
        this.#page(page, length, out);
        at += length;
        continue;
      }
      const next = b.indexOf(CAPTURE.charCodeAt(0), at + 1);
      const to = next < 0 ? b.length : next;
      this.#damaged += to - at;
      at = to;
    }
    this.#buffer = b.slice(at);
    return out;
  }

  #page(p: OggPage, length: number, out: OggPacket[]): void {
    const stream = this.#streamOf(p);
    const body = p.body[0];
    if (!stream || !body) {
      this.#damaged += length;
      return;
    }
    // Pages are missing, or the packet that was begun has no end.
    if (p.sequence !== stream.sequence || (stream.open && !p.continued)) drop(stream);
    stream.sequence = (p.sequence + 1) >>> 0;
    /** The rest of a packet whose beginning is missing. */
    let skipping = p.continued === true && !stream.open;
    if (skipping) stream.lost = true;
    let isFirst = p.first === true;
    let lastEnd = -1;
    for (let i = 0; i < p.lacing.length; i++) if ((p.lacing[i] ?? 0) < SEGMENT) lastEnd = i;
    let at = 0;
    let from = 0;
    for (let i = 0; i < p.lacing.length; i++) {
      const lacing = p.lacing[i] ?? 0;
      at += lacing;
      const ends = lacing < SEGMENT;
      if (!ends && i < p.lacing.length - 1) continue;
      const part = body.slice(from, at);
      from = at;
      if (!skipping && !this.#part(stream, part)) skipping = true;
      if (!ends) continue;
      if (!skipping) {
        const isLast = i === lastEnd;
        out.push({
          serial: p.serial,
          data: concat(stream.open ?? [part]),
          granule: isLast ? p.granule : undefined,
          first: isFirst,
          last: isLast && p.last === true,
          lost: stream.lost,
        });
        stream.lost = false;
      }
      isFirst = false;
      stream.open = undefined;
      stream.openSize = 0;
      skipping = false;
    }
  }

  /** False: the packet has become too long. What follows of it on later pages is then a rest without a beginning. */
  #part(stream: Stream, part: Uint8Array): boolean {
    stream.open ??= [];
    stream.open.push(part);
    stream.openSize += part.length;
    if (stream.openSize <= MAX_PACKET) return true;
    drop(stream);
    return false;
  }

  #streamOf(p: OggPage): Stream | undefined {
    const known = this.#streams.get(p.serial);
    if (known && !p.first) return known;
    if (!known && this.#streams.size >= MAX_STREAMS) return undefined;
    const stream = { sequence: p.sequence, open: undefined, openSize: 0, lost: !p.first };
    this.#streams.set(p.serial, stream);
    return stream;
  }
}

function drop(stream: Stream): void {
  stream.open = undefined;
  stream.openSize = 0;
  stream.lost = true;
}
