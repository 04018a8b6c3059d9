import { MAX_SEGMENTS, oggPage, SEGMENT } from "./page.ts";

/**
 * Puts the packets of one logical stream onto pages (RFC 3533 section 6). A packet goes onto one page where it can;
 * what is longer than a page continues on the next.
 */
export class OggWriter {
  readonly #serial: number;
  #sequence = 0;
  #lacing: number[] = [];
  #body: Uint8Array[] = [];
  /** Of the last packet that ends on the page being made. */
  #granule: number | undefined;
  /** The page being made begins in the middle of a packet. */
  #continued = false;

  /** `serial`: 32 bits, different from those of all streams that share the file. */
  constructor(serial: number) {
    this.#serial = serial;
  }

  /** Something is on the page being made. */
  get pending(): boolean {
    return this.#lacing.length > 0;
  }

  /** Adds a packet behind which the position is `granule`. Returns the pages that it filled. */
  packet(data: Uint8Array, granule: number): Uint8Array[] {
    const pages: Uint8Array[] = [];
    const segments = Math.floor(data.length / SEGMENT) + 1;
    if (this.pending && this.#lacing.length + segments > MAX_SEGMENTS) pages.push(this.flush());
    let at = 0;
    for (let left = segments; left > 0; ) {
      if (this.#lacing.length === MAX_SEGMENTS) {
        pages.push(this.flush());
        this.#continued = true;
      }
      const here = Math.min(left, MAX_SEGMENTS - this.#lacing.length);
      const end = Math.min(data.length, at + here * SEGMENT);
      this.#body.push(data.subarray(at, end));
      for (let i = 1; i < here; i++) this.#lacing.push(SEGMENT);
      left -= here;
      this.#lacing.push(left > 0 ? SEGMENT : data.length % SEGMENT);
      at = end;
    }
    this.#granule = granule;
    return pages;
  }

  /**
   * Ends the page being made. `last`: the stream ends with it; `granule` then may say that it ends before its last
   * packet does.
   */
  flush(o: { readonly last?: true; readonly granule?: number } = {}): Uint8Array {
    const page = oggPage({
      serial: this.#serial,
      sequence: this.#sequence,
      granule: o.granule ?? this.#granule,
      first: this.#sequence === 0,
      last: o.last === true,
      continued: this.#continued,
      lacing: this.#lacing,
      body: this.#body,
    });
    this.#sequence++;
    this.#lacing = [];
    this.#body = [];
    this.#granule = undefined;
    this.#continued = false;
    return page;
  }
}
