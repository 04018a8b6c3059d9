import { opusTags, readOpusHead } from "./opus-headers.ts";
import { OggWriter } from "./writer.ts";

/** Samples at 48 kHz, which all positions count whatever was recorded (RFC 7845 section 4). */
const PAGE_SAMPLES = 48_000;

/** Options of a stream. */
export type OggOpusOptions = {
  /** OpusHead, as in Matroska's CodecPrivate (RFC 7845 section 5.1). */
  readonly head: Uint8Array;
  /** 32 bits, different from those of other streams in the file. */
  readonly serial: number;
  /** Comments like `TITLE`, by name; longer values are cut (RFC 7845 section 5.2). */
  readonly tags: Readonly<Record<string, string>>;
};

/**
 * Writes a stream of Opus in Ogg (RFC 7845): pages of up to a second, in order; a player can seek to each. Where
 * streams share a file, the first pages of all stand before everything else.
 */
export class OggOpusWriter {
  readonly #o: OggOpusOptions;
  readonly #ogg: OggWriter;
  readonly #preSkip: number;
  /** Samples of all packets so far, those to skip included; where the page being made begins. */
  #samples = 0;
  #pageStart = 0;

  constructor(o: OggOpusOptions) {
    this.#o = o;
    this.#ogg = new OggWriter(o.serial);
    this.#preSkip = readOpusHead(o.head)?.preSkip ?? 0;
  }

  /** Samples at 48 kHz so far that a player plays. */
  get playable(): number {
    return Math.max(0, this.#samples - this.#preSkip);
  }

  /** The first page: the decoder's parameters alone. */
  first(): Uint8Array {
    this.#ogg.packet(this.#o.head, 0);
    return this.#ogg.flush();
  }

  /** The pages of the comments, which follow. */
  tags(): Uint8Array[] {
    return [...this.#ogg.packet(opusTags(this.#o.tags), 0), this.#ogg.flush()];
  }

  /** A packet, not empty, and its length in samples at 48 kHz. Returns the pages that are full. */
  packet(data: Uint8Array, samples: number): Uint8Array[] {
    // Only now: the last page must have something on it.
    const due = this.#ogg.pending && this.#samples - this.#pageStart >= PAGE_SAMPLES;
    const pages = due ? [this.#ogg.flush()] : [];
    if (!this.#ogg.pending) this.#pageStart = this.#samples;
    this.#samples += samples;
    pages.push(...this.#ogg.packet(data, this.#samples));
    return pages;
  }

  /**
   * The last page. `trim`: samples at the end of the last packet that are not played (RFC 7845 section 4.4).
   */
  finish(trim = 0): Uint8Array {
    this.#samples = Math.max(0, this.#samples - trim);
    return this.#ogg.flush({ last: true, granule: this.#samples });
  }
}
