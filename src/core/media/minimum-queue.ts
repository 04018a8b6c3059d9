import type { Millis } from "../time.ts";

/** Entries per window: those that come closer together than this share of it stand for each other. */
const RESOLUTION = 256;
/** Room for them: a power of two. */
const SIZE = 512;
const MASK = SIZE - 1;

/** The smallest of the values of a sliding window of time. At most some 260 entries, whatever the rate. */
export class MinimumQueue {
  readonly #windowMs: number;
  /** Ascending in time and in value, from `#head` up to `#tail`: the front is the minimum. */
  readonly #at = new Float64Array(SIZE);
  readonly #value = new Float64Array(SIZE);
  #head = 0;
  #tail = 0;

  /** `windowMs`: how long a value counts. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The minimum of the window that ends with the newest value; undefined: no value yet. */
  get minimum(): number | undefined {
    return this.#head === this.#tail ? undefined : this.#value[this.#head & MASK];
  }

  /** A value of the time `at`; times may step back a little. */
  push(value: number, at: Millis): void {
    while (this.#tail > this.#head && (this.#value[(this.#tail - 1) & MASK] ?? 0) >= value) this.#tail--;
    const last =
      this.#tail > this.#head ? (this.#at[(this.#tail - 1) & MASK] ?? 0) : Number.NEGATIVE_INFINITY;
    // A larger value right behind a smaller one would outlive it by nothing.
    if (at - last >= this.#windowMs / RESOLUTION) {
      if (this.#tail - this.#head === SIZE) this.#head++;
      this.#at[this.#tail & MASK] = at;
      this.#value[this.#tail & MASK] = value;
      this.#tail++;
    }
    const oldest = at - this.#windowMs;
    while (this.#tail - this.#head > 1 && (this.#at[this.#head & MASK] ?? 0) < oldest) this.#head++;
  }

  /** The minimum when every value has grown by `rate` a millisecond since it was noted. */
  grown(rate: number, now: Millis): number | undefined {
    let least: number | undefined;
    for (let i = this.#head; i < this.#tail; i++) {
      const value = (this.#value[i & MASK] ?? 0) + rate * Math.max(0, now - (this.#at[i & MASK] ?? 0));
      if (least === undefined || value < least) least = value;
    }
    return least;
  }

  /** Forgets everything. */
  reset(): void {
    this.#head = 0;
    this.#tail = 0;
  }
}
