import { asciiBytes, concat, u8 } from "../../bytes.ts";
import { lacingOf, MAX_SEGMENTS, oggPage } from "./page.ts";

/** Samples are counted at 48 kHz whatever was recorded (RFC 7845 section 4). */
const SAMPLES_PER_US = 0.048;
/** A page is closed after this much sound: a player can seek to each. */
const PAGE_US = 1_000_000;
const VENDOR = "roomtap";
const MAX_TAG = 1000;

/** Options of a stream. */
export type OggOpusOptions = {
  /** OpusHead, as in Matroska's CodecPrivate (RFC 7845 section 5.1). */
  readonly head: Uint8Array;
  readonly serial: number;
  /** Comments like `TITLE`, by name; longer values are cut (RFC 7845 section 5.2). */
  readonly tags: Readonly<Record<string, string>>;
};

/** Writes Opus in Ogg (RFC 7845): pages of up to a second, in order. */
export class OggOpusWriter {
  readonly #o: OggOpusOptions;
  #sequence = 0;
  /** Samples of all packets so far, those to skip included. */
  #samples = 0;
  #lacing: number[] = [];
  #body: Uint8Array[] = [];
  #heldUs = 0;

  constructor(o: OggOpusOptions) {
    this.#o = o;
  }

  /** Samples at 48 kHz so far that a player plays. */
  get playable(): number {
    return Math.max(0, this.#samples - preSkipOf(this.#o.head));
  }

  /** The first pages: the decoder's parameters alone, then the comments. */
  header(): Uint8Array {
    const { head, serial } = this.#o;
    const first = oggPage({
      serial,
      sequence: this.#sequence++,
      granule: 0,
      first: true,
      lacing: lacingOf(head.length),
      body: [head],
    });
    return concat([first, ...this.#tagPages(opusTags(this.#o.tags))]);
  }

  /** A packet and its length in microseconds. Returns a page when one is full. */
  packet(data: Uint8Array, durationUs: number): Uint8Array | undefined {
    const lacing = lacingOf(data.length);
    const full = this.#lacing.length + lacing.length > MAX_SEGMENTS || this.#heldUs >= PAGE_US;
    const page = full && this.#lacing.length > 0 ? this.#page(false) : undefined;
    this.#lacing.push(...lacing);
    this.#body.push(data);
    this.#heldUs += durationUs;
    this.#samples += Math.round(durationUs * SAMPLES_PER_US);
    return page;
  }

  /** The last page; it says where the sound ends. */
  finish(): Uint8Array {
    return this.#page(true);
  }

  #page(last: boolean): Uint8Array {
    const page = oggPage({
      serial: this.#o.serial,
      sequence: this.#sequence++,
      granule: this.#samples,
      last,
      lacing: this.#lacing,
      body: this.#body,
    });
    this.#lacing = [];
    this.#body = [];
    this.#heldUs = 0;
    return page;
  }

  /** Comments may be longer than a page. */
  #tagPages(tags: Uint8Array): Uint8Array[] {
    const lacing = lacingOf(tags.length);
    const pages: Uint8Array[] = [];
    for (let i = 0; i < lacing.length; i += MAX_SEGMENTS) {
      const part = lacing.slice(i, i + MAX_SEGMENTS);
      const from = i * 255;
      const ends = i + MAX_SEGMENTS >= lacing.length;
      pages.push(
        oggPage({
          serial: this.#o.serial,
          sequence: this.#sequence++,
          granule: ends ? 0 : undefined,
          continued: i > 0,
          lacing: part,
          body: [tags.subarray(from, from + part.reduce((n, l) => n + l, 0))],
        }),
      );
    }
    return pages;
  }
}

/** Samples at 48 kHz that a player leaves out at the start; 0 for what is no OpusHead. */
export function preSkipOf(head: Uint8Array): number {
  return head.length < 12 ? 0 : u8(head, 10) | (u8(head, 11) << 8);
}

/** OpusTags (RFC 7845 section 5.2). */
function opusTags(tags: Readonly<Record<string, string>>): Uint8Array {
  const comments = Object.entries(tags).map(([name, value]) => utf8(`${name}=${value.slice(0, MAX_TAG)}`));
  const vendor = asciiBytes(VENDOR);
  return concat([
    asciiBytes("OpusTags"),
    little32(vendor.length),
    vendor,
    little32(comments.length),
    ...comments.flatMap((c) => [little32(c.length), c]),
  ]);
}

function little32(n: number): Uint8Array {
  return Uint8Array.of(n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24);
}

/** The core has no TextEncoder. A lone surrogate becomes U+FFFD. */
function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const ch of text) {
    const point = ch.codePointAt(0) ?? 0;
    const c = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}
