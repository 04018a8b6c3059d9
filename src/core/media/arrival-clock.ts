import type { Millis } from "../time.ts";
import { MinimumQueue } from "./minimum-queue.ts";

/** Default window of the minimum filter. */
const WINDOW_MS = 2000;

/**
 * Maps RTP timestamps to local time by arrival alone: the smallest seen difference between arrival and media
 * time over a sliding window is the path's delay, everything above it is jitter. Old packets that a server
 * replays in a burst come out right: the last of the burst is the least late.
 */
export class ArrivalClock {
  readonly #ratePerMs: number;
  readonly #offsets: MinimumQueue;
  #newest: number | undefined;

  /** `clockRate` in Hz; `windowMs`: how long a good (early) arrival is remembered. */
  constructor(clockRate: number, windowMs = WINDOW_MS) {
    this.#ratePerMs = clockRate / 1000;
    this.#offsets = new MinimumQueue(windowMs);
  }

  /** Notes a packet or frame. `rtp` is unwrapped. */
  push(rtp: number, arrival: Millis): void {
    // The packets of one frame leave together: those behind the first only tell of the pacer.
    if (rtp === this.#newest) return;
    this.#newest = rtp;
    this.#offsets.push(arrival - rtp / this.#ratePerMs, arrival);
  }

  /** Milliseconds to add to media time (rtp / rate) to get local time; undefined before the first packet. */
  get offset(): number | undefined {
    return this.#offsets.minimum;
  }

  /** Forgets everything (the stream restarted). */
  reset(): void {
    this.#offsets.reset();
    this.#newest = undefined;
  }
}
