import type { Millis } from "../time.ts";

/** Entries per window: those that come closer together than this share of it stand for each other. */
const RESOLUTION = 256;

/** The smallest of the values of a sliding window of time. At most some 260 entries, whatever the rate. */
export class MinimumQueue {
  readonly #windowMs: number;
  /** Ascending in time and in value: the front is the minimum. */
  #entries: { at: Millis; value: number }[] = [];

  /** `windowMs`: how long a value counts. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The minimum of the window that ends with the newest value; undefined: no value yet. */
  get minimum(): number | undefined {
    return this.#entries[0]?.value;
  }

  /** A value of the time `at`; times may step back a little. */
  push(value: number, at: Millis): void {
    const q = this.#entries;
    let spare: { at: Millis; value: number } | undefined;
    while (q.length > 0 && (q[q.length - 1]?.value ?? 0) >= value) spare = q.pop();
    const last = q[q.length - 1];
    // A larger value right behind a smaller one would outlive it by nothing.
    if (last === undefined || at - last.at >= this.#windowMs / RESOLUTION) {
      const entry = spare ?? { at, value };
      entry.at = at;
      entry.value = value;
      q.push(entry);
    }
    const oldest = at - this.#windowMs;
    while (q.length > 1 && (q[0]?.at ?? 0) < oldest) q.shift();
  }

  /** The minimum when every value has grown by `rate` a millisecond since it was noted. */
  grown(rate: number, now: Millis): number | undefined {
    let least: number | undefined;
    for (const e of this.#entries) {
      const value = e.value + rate * Math.max(0, now - e.at);
      if (least === undefined || value < least) least = value;
    }
    return least;
  }

  /** Forgets everything. */
  reset(): void {
    this.#entries = [];
  }
}
