import type { Random } from "./random.ts";

/** Capped exponential back-off with full jitter. */
export type BackoffOptions = { baseMs: number; capMs: number; random: Random };

/** Counts attempts and says how long to wait before the next one. */
export class Backoff {
  readonly #o: BackoffOptions;
  #attempt = 0;

  constructor(o: BackoffOptions) {
    this.#o = o;
  }

  /** Attempts since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait before the next attempt: uniform in (0, min(cap, base * 2^n)]. */
  next(): number {
    const ceiling = Math.min(this.#o.capMs, this.#o.baseMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt++;
    return Math.max(1, Math.round(ceiling * this.#o.random()));
  }

  /** Call after a healthy while. */
  reset(): void {
    this.#attempt = 0;
  }
}
