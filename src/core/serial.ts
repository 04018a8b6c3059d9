/** Serial-number arithmetic (RFC 1982) for RTP sequence numbers and timestamps. */

/** Signed distance from `b` to `a` on the 16-bit circle, -32768..32767. */
export function seqDiff(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/** Signed distance from `b` to `a` on the 32-bit circle. */
export function tsDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/**
 * Turns 16-bit sequence numbers into ever-growing extended ones. Starts one cycle up, so that reordering
 * at the start never goes negative.
 */
export class SeqUnwrapper {
  #last: number | undefined;

  /** Extended number for `seq`. Only a newer number moves the reference. */
  unwrap(seq: number): number {
    if (this.#last === undefined) {
      this.#last = seq + 0x10000;
      return this.#last;
    }
    const ext = this.#last + seqDiff(seq, this.#last & 0xffff);
    if (ext > this.#last) this.#last = ext;
    return ext;
  }

  /** Extended number for `seq` without moving the reference; undefined before the first `unwrap`. */
  peek(seq: number): number | undefined {
    return this.#last === undefined ? undefined : this.#last + seqDiff(seq, this.#last & 0xffff);
  }

  /** Forgets the reference: the next number starts a new epoch. */
  reset(): void {
    this.#last = undefined;
  }
}

/** Turns 32-bit RTP timestamps into unwrapped ones (a plain number, exact to 2^53). */
export class TsUnwrapper {
  #last: number | undefined;

  /** Unwrapped timestamp for `ts`. Moves the reference only forward. */
  unwrap(ts: number): number {
    if (this.#last === undefined) {
      this.#last = ts + 0x1_0000_0000;
      return this.#last;
    }
    const ext = this.#last + tsDiff(ts, (this.#last % 0x1_0000_0000) | 0);
    if (ext > this.#last) this.#last = ext;
    return ext;
  }

  /** Unwrapped timestamp for `ts` without moving the reference; undefined before the first `unwrap`. */
  peek(ts: number): number | undefined {
    return this.#last === undefined ? undefined : this.#last + tsDiff(ts, (this.#last % 0x1_0000_0000) | 0);
  }

  /** Forgets the reference. */
  reset(): void {
    this.#last = undefined;
  }
}
