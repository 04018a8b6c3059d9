import { u8 } from "../bytes.ts";
import { leb128, leb128Length } from "./leb128.ts";

/**
 * Walks the OBU elements of one packet (RTP payload format for AV1, sections 4.3 and 4.4). Used again and again:
 * `open`, then `next` until it is false, then ask whether something was `malformed`.
 */
export class Av1Elements {
  /** Z: the first element continues the last of the packet before. */
  continues = false;
  /** Y: the last element goes on in the next packet. */
  unfinished = false;
  /** N: a coded video sequence begins. */
  newSequence = false;
  /** The element: payload octets [from, to). It may be empty. */
  from = 0;
  to = 0;
  malformed = false;
  /** Elements so far, and W: how many there are, 0 when all have a length. */
  #index = 0;
  #count = 0;
  #p: Uint8Array = new Uint8Array(0);

  /** Begins with a payload; false when its aggregation header is invalid or nothing follows. */
  open(p: Uint8Array): boolean {
    const head = u8(p, 0);
    this.continues = (head & 0x80) !== 0;
    this.unfinished = (head & 0x40) !== 0;
    this.newSequence = (head & 0x08) !== 0;
    this.malformed = false;
    this.from = 1;
    this.to = 1;
    this.#index = 0;
    this.#count = (head >> 4) & 3;
    this.#p = p;
    return p.length > 1 && !(this.newSequence && this.continues);
  }

  /** True while the element is the first of its packet. */
  get first(): boolean {
    return this.#index === 1;
  }

  /** True when no further element follows. */
  get last(): boolean {
    return this.#count === 0 ? this.to === this.#p.length : this.#index === this.#count;
  }

  /** Moves to the next element; false behind the last, and where one does not fit. */
  next(): boolean {
    const p = this.#p;
    if (this.malformed || (this.#index > 0 && this.last)) return false;
    this.#index++;
    this.from = this.to;
    if (this.#index === this.#count) {
      this.to = p.length;
      return true;
    }
    const length = leb128Length(p, this.from);
    const size = leb128(p, this.from, length);
    this.from += length;
    if (length === 0 || size > p.length - this.from) {
      this.malformed = true;
      return false;
    }
    this.to = this.from + size;
    return true;
  }
}
