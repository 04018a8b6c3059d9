/** Buckets grow by this factor from `LOWEST` on: a percentile is right to 5 %. */
const GROWTH = 1.1;
const LOWEST = 0.01;
const BUCKETS = 200;

/** How often values occurred, in buckets of equal ratio from 0.01 to 1.9 million. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  /** Counts a value; negative ones and NaN count as zero. */
  add(value: number): void {
    const at = value > LOWEST ? Math.ceil(Math.log(value / LOWEST) / Math.log(GROWTH)) : 0;
    const bucket = Math.min(BUCKETS - 1, at);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
  }

  /** The value that a share of all values (0..1) does not exceed; undefined: there are none. */
  quantile(share: number): number | undefined {
    if (this.#total === 0) return undefined;
    let left = Math.max(1, Math.ceil(share * this.#total));
    let bucket = 0;
    for (const count of this.#counts) {
      left -= count;
      if (left <= 0) break;
      bucket++;
    }
    // The middle of a bucket, by ratio.
    return bucket === 0 ? 0 : LOWEST * GROWTH ** (bucket - 0.5);
  }
}
