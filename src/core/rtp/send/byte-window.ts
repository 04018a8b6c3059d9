import type { Millis } from "../../time.ts";

const BUCKETS = 10;
const BUCKET_MS = 100;

/** Octets of the last second, in ten buckets. */
export class ByteWindow {
  readonly #buckets = new Float64Array(BUCKETS);
  #slot = 0;
  #total = 0;

  /** Adds `n` octets at `now`. */
  add(n: number, now: Millis): void {
    this.#turn(now);
    const i = this.#slot % BUCKETS;
    this.#buckets[i] = (this.#buckets[i] ?? 0) + n;
    this.#total += n;
  }

  /** Octets added within the last second (to a tenth). */
  total(now: Millis): number {
    this.#turn(now);
    return this.#total;
  }

  #turn(now: Millis): void {
    const slot = Math.floor(now / BUCKET_MS);
    const steps = Math.min(BUCKETS, slot - this.#slot);
    for (let k = 1; k <= steps; k++) {
      const i = (slot - steps + k) % BUCKETS;
      this.#total -= this.#buckets[i] ?? 0;
      this.#buckets[i] = 0;
    }
    if (slot > this.#slot) this.#slot = slot;
  }
}
