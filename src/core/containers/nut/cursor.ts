import { u8 } from "../../bytes.ts";

/** Reads the numbers of NUT. Past the end everything is 0, and `short` says so. */
export class NutCursor {
  /** Where it is. */
  at = 0;
  readonly #bytes: Uint8Array;
  #short = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Something was asked for that is not there. */
  get short(): boolean {
    return this.#short;
  }

  /** So many octets more are to be there. */
  need(octets: number): void {
    if (this.at + octets > this.#bytes.length) this.#short = true;
  }

  octet(): number {
    this.need(1);
    return this.#short ? 0 : u8(this.#bytes, this.at++);
  }

  /** Four octets, big-endian. */
  word(): number {
    const high = this.octet() * 0x1_00_00_00;
    return high + this.octet() * 0x1_00_00 + this.octet() * 0x1_00 + this.octet();
  }

  /** A number of as many octets as it needs, seven bits in each. */
  value(): number {
    let v = 0;
    let octet = 0x80;
    while (octet & 0x80 && !this.#short) {
      octet = this.octet();
      v = v * 128 + (octet & 0x7f);
    }
    return v;
  }

  /** The same with a sign. */
  signed(): number {
    const v = this.value() + 1;
    return v % 2 === 1 ? -(v - 1) / 2 : v / 2;
  }
}
