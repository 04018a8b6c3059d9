import type { Millis } from "../core/time.ts";

/** Allows `burst` units at once and `perSecond` in the long run. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #level: number;
  #at: Millis;

  constructor(o: { readonly burst: number; readonly perSecond: number }, now: Millis) {
    this.#burst = o.burst;
    this.#perSecond = o.perSecond;
    this.#level = o.burst;
    this.#at = now;
  }

  /** Takes `n` units, or none when fewer are there. */
  take(n: number, now: Millis): boolean {
    this.#level = Math.min(this.#burst, this.#level + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#level < n) return false;
    this.#level -= n;
    return true;
  }
}
