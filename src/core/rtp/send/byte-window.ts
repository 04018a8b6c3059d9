import type { Millis } from "../../time.ts";

const BUCKETS = 10;

/** Octets of the last while, in ten buckets. */
export class ByteWindow {
  readonly #buckets = new Float64Array(BUCKETS);
  readonly #bucketMs: number;
  #slot = 0;
  #total = 0;

  constructor(windowMs = 1000) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  /** Adds `n` octets at `now`. */
  add(n: number, now: Millis): void {
    this.#turn(now);
    const i = this.#slot % BUCKETS;
    this.#buckets[i] = (this.#buckets[i] ?? 0) + n;
    this.#total += n;
  }

  /** Octets added within the window (to a tenth). */
  total(now: Millis): number {
    this.#turn(now);
    return this.#total;
  }

  #turn(now: Millis): void {
    const slot = Math.floor(now / this.#bucketMs);
    const steps = Math.min(BUCKETS, slot - this.#slot);
    for (let k = 1; k <= steps; k++) {
      const i = (slot - steps + k) % BUCKETS;
      this.#total -= this.#buckets[i] ?? 0;
      this.#buckets[i] = 0;
    }
    if (slot > this.#slot) this.#slot = slot;
  }
}
