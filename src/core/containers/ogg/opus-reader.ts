import { type OpusHead, type OpusTags, readOpusHead, readOpusTags } from "./opus-headers.ts";
import { type OggPacket, OggReader } from "./reader.ts";

/** Packets that wait for the position of their page: a page has no more. */
const MAX_WAITING = 255;

/** What an Ogg Opus file is made of, in order. */
export type OggOpusEvent =
  | { readonly t: "head"; readonly serial: number; readonly head: OpusHead }
  | { readonly t: "tags"; readonly serial: number; readonly tags: OpusTags }
  | {
      readonly t: "packet";
      readonly serial: number;
      readonly data: Uint8Array;
      /** Where it begins, samples at 48 kHz as a player counts them; below 0: in what is skipped at the start. */
      readonly at: number;
      /** Its length, and how much of that is before the end of the stream. */
      readonly samples: number;
      readonly kept: number;
    };

/** Length of an Opus packet in microseconds; undefined: it is none. */
export type OpusDuration = (packet: Uint8Array) => number | undefined;

type Stream = {
  readonly head: OpusHead;
  tagged: boolean;
  /** Position behind the packets so far; undefined: the next page tells. */
  end: number | undefined;
  waiting: { readonly data: Uint8Array; readonly samples: number }[];
};

/**
 * Reads Opus in Ogg (RFC 7845): push the octets of a file in order. Streams that are not Opus are passed over;
 * packets that are none are left out, and counted.
 */
export class OggOpusReader {
  readonly #ogg = new OggReader();
  readonly #durationOf: OpusDuration;
  readonly #streams = new Map<number, Stream>();
  #malformed = 0;

  constructor(durationOf: OpusDuration) {
    this.#durationOf = durationOf;
  }

  /** Octets so far that belong to no page that can be read. */
  get damaged(): number {
    return this.#ogg.damaged;
  }

  /** Packets of Opus streams so far that are neither a header nor sound. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Adds the next octets of the file. A packet comes out with the end of its page. */
  push(bytes: Uint8Array): OggOpusEvent[] {
    const out: OggOpusEvent[] = [];
    for (const p of this.#ogg.push(bytes)) this.#packet(p, out);
    return out;
  }

  #packet(p: OggPacket, out: OggOpusEvent[]): void {
    if (p.first) {
      const head = readOpusHead(p.data);
      this.#streams.delete(p.serial);
      if (!head) return;
      this.#streams.set(p.serial, { head, tagged: false, end: undefined, waiting: [] });
      out.push({ t: "head", serial: p.serial, head });
      return;
    }
    const stream = this.#streams.get(p.serial);
    if (!stream) return;
    if (!stream.tagged) {
      stream.tagged = true;
      const tags = readOpusTags(p.data);
      if (tags) out.push({ t: "tags", serial: p.serial, tags });
      else this.#malformed++;
      return;
    }
    const us = this.#durationOf(p.data);
    if (p.lost) this.#release(p.serial, stream, undefined, false, out);
    if (p.lost) stream.end = undefined;
    if (us === undefined) this.#malformed++;
    else stream.waiting.push({ data: p.data, samples: (us * 48) / 1000 });
    if (p.granule !== undefined) this.#release(p.serial, stream, p.granule, p.last, out);
    else if (stream.waiting.length >= MAX_WAITING) this.#release(p.serial, stream, undefined, false, out);
  }

  /** Gives out what waits: its page ends at `granule`, or where nothing tells, after what came before. */
  #release(serial: number, s: Stream, granule: number | undefined, last: boolean, out: OggOpusEvent[]): void {
    const total = s.waiting.reduce((n, w) => n + w.samples, 0);
    let at = s.end ?? 0;
    // Positions may leap where sound is missing; but the last page says where to stop, not where it began, unless
    // nothing was before it (section 4.4).
    if (granule !== undefined && !last)
      at = s.end === undefined ? granule - total : Math.max(at, granule - total);
    else if (granule !== undefined && s.end === undefined) at = Math.max(0, granule - total);
    for (const { data, samples } of s.waiting) {
      const kept = last && granule !== undefined ? Math.max(0, Math.min(samples, granule - at)) : samples;
      out.push({ t: "packet", serial, data, at: at - s.head.preSkip, samples, kept });
      at += samples;
    }
    s.waiting = [];
    s.end = at;
  }
}
