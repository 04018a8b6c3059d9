import { u8 } from "../bytes.ts";

/**
 * Reads bits of a NAL unit, skipping emulation prevention bytes (00 00 03) on the way, or of plain octets. Total:
 * past the end it reads zeros and `overrun` turns true.
 */
export class BitReader {
  readonly #b: Uint8Array;
  readonly #plain: boolean;
  #i: number;
  #bit = 0;
  #zeros = 0;
  #overrun = false;

  /** Starts at byte `from` of `b`; `plain`: there is no emulation prevention (VP9, AV1). */
  constructor(b: Uint8Array, from: number, octets: "nal" | "plain" = "nal") {
    this.#b = b;
    this.#plain = octets === "plain";
    this.#i = from;
  }

  /** True when something was read past the end, or a number was too long to be valid. */
  get overrun(): boolean {
    return this.#overrun;
  }

  /** One bit. */
  bit(): number {
    if (this.#i >= this.#b.length) {
      this.#overrun = true;
      return 0;
    }
    const byte = u8(this.#b, this.#i);
    const v = (byte >> (7 - this.#bit)) & 1;
    if (++this.#bit === 8) this.#step(byte);
    return v;
  }

  /** `n` bits, 0..32, most significant first. */
  bits(n: number): number {
    let v = 0;
    for (let k = 0; k < n; k++) v = v * 2 + this.bit();
    return v;
  }

  /** Unsigned Exp-Golomb number (ISO/IEC 14496-10 section 9.1). */
  ue(): number {
    let zeros = 0;
    while (this.bit() === 0) {
      if (this.#overrun || ++zeros > 31) {
        this.#overrun = true;
        return 0;
      }
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** Signed Exp-Golomb number. */
  se(): number {
    const v = this.ue();
    return v & 1 ? (v + 1) / 2 : -v / 2;
  }

  #step(byte: number): void {
    this.#bit = 0;
    this.#i++;
    if (this.#plain) return;
    this.#zeros = byte === 0 ? this.#zeros + 1 : 0;
    if (this.#zeros >= 2 && u8(this.#b, this.#i) === 3) {
      this.#i++;
      this.#zeros = 0;
    }
  }
}
