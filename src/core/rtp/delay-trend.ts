import type { Millis } from "../time.ts";
import { ArrivalStall } from "./arrival-stall.ts";

/** Packets of this time are judged by the fastest of them. */
const WINDOW_MS = 200;
/** The base delay is the least of the last two of these spans: clocks drift, routes change. */
const BASE_SPAN_MS = 15_000;
/** Queueing delay that may be jitter of the scheduler on either side. */
const TOLERANCE_MS = 25;
/** Growth per window that tells a filling queue from a standing one. */
const GROWTH_MS = 3;
/** A queue this long is too long even when it does not grow. */
const STANDING_MS = 100;
const CLEAR_MS = 15;
/** A step of one-way delay beyond this is a clock that was set. */
const MAX_DELAY_MS = 10_000;

/** What a window of packets says about the path. */
export type PathLoad = "over" | "hold" | "clear";

/**
 * Watches one-way delay up to an unknown constant. The least delay of a window is what the path adds; the
 * rest of its packets also waited for the sender's pacer or our event loop.
 */
export class DelayTrend {
  readonly #stall = new ArrivalStall();
  #windowEnd: number | undefined;
  #least = Number.POSITIVE_INFINITY;
  #previous: number | undefined;
  #base = Number.POSITIVE_INFINITY;
  #olderBase = Number.POSITIVE_INFINITY;
  #baseEnd = 0;
  #queue = 0;

  /** Queueing delay of the last window in milliseconds. */
  get queueMs(): number {
    return this.#queue;
  }

  /** A packet left at `sendMs` (any origin) and arrived at `arrival`. A verdict once per window, else undefined. */
  push(sendMs: number, arrival: Millis): PathLoad | undefined {
    const delay = arrival - sendMs;
    if (this.#previous !== undefined && Math.abs(delay - this.#previous) > MAX_DELAY_MS) this.#reset();
    this.#windowEnd ??= arrival + WINDOW_MS;
    const verdict = arrival >= this.#windowEnd ? this.#close(arrival) : undefined;
    if (!this.#stall.covers(arrival)) this.#least = Math.min(this.#least, delay);
    return verdict;
  }

  /** The event loop stood still: what is read right after it does not count. */
  onStall(lagMs: number, now: Millis): void {
    this.#stall.onStall(lagMs, now);
  }

  #close(now: Millis): PathLoad | undefined {
    const least = this.#least;
    this.#windowEnd = now + WINDOW_MS;
    this.#least = Number.POSITIVE_INFINITY;
    if (least === Number.POSITIVE_INFINITY) return undefined;
    if (now >= this.#baseEnd) {
      this.#olderBase = this.#base;
      this.#base = least;
      this.#baseEnd = now + BASE_SPAN_MS;
    }
    this.#base = Math.min(this.#base, least);
    this.#queue = least - Math.min(this.#base, this.#olderBase);
    const growth = least - (this.#previous ?? least);
    this.#previous = least;
    if (this.#queue > STANDING_MS || (this.#queue > TOLERANCE_MS && growth > GROWTH_MS)) return "over";
    return this.#queue > CLEAR_MS ? "hold" : "clear";
  }

  #reset(): void {
    this.#windowEnd = undefined;
    this.#least = Number.POSITIVE_INFINITY;
    this.#previous = undefined;
    this.#base = Number.POSITIVE_INFINITY;
    this.#olderBase = Number.POSITIVE_INFINITY;
    this.#baseEnd = 0;
  }
}
