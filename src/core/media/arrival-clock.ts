import type { Millis } from "../time.ts";

/** Default window of the minimum filter. */
const WINDOW_MS = 2000;
const MAX_SAMPLES = 512;

/**
 * Maps RTP timestamps to local time by arrival alone: the smallest seen difference between arrival and media
 * time over a sliding window is the path's delay, everything above it is jitter.
 */
export class ArrivalClock {
  readonly #ratePerMs: number;
  readonly #windowMs: number;
  /** Ascending queue of (arrival, arrival - media time): the front is the window's minimum. */
  #queue: { at: number; offset: number }[] = [];
  #newest: number | undefined;

  /** `clockRate` in Hz; `windowMs`: how long a good (early) arrival is remembered. */
  constructor(clockRate: number, windowMs = WINDOW_MS) {
    this.#ratePerMs = clockRate / 1000;
    this.#windowMs = windowMs;
  }

  /** Notes a packet or frame. `rtp` is unwrapped. */
  push(rtp: number, arrival: Millis): void {
    // The packets of one frame leave together: those behind the first only tell of the pacer.
    if (rtp === this.#newest) return;
    this.#newest = rtp;
    const offset = arrival - rtp / this.#ratePerMs;
    const q = this.#queue;
    while (q.length > 0 && (q[q.length - 1]?.offset ?? 0) >= offset) q.pop();
    q.push({ at: arrival, offset });
    while (q.length > 1 && ((q[0]?.at ?? 0) < arrival - this.#windowMs || q.length > MAX_SAMPLES)) q.shift();
  }

  /** Milliseconds to add to media time (rtp / rate) to get local time; undefined before the first packet. */
  get offset(): number | undefined {
    return this.#queue[0]?.offset;
  }

  /** Forgets everything (the stream restarted). */
  reset(): void {
    this.#queue = [];
    this.#newest = undefined;
  }
}
