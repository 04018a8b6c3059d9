import type { Millis } from "../time.ts";

/** Intervals that must together look live. */
const INTERVALS = 5;
/** Arrival spacing of live media as a share of timestamp spacing. Servers replay at twice the pace and more. */
const MIN_SHARE = 0.7;
const MAX_SHARE = 1.3;
const MAX_WAIT_MS = 2000;

/**
 * Tells live packets from the old ones that a server replays in a burst to who subscribes: until packets come at
 * the pace of their timestamps, arrival says nothing of time.
 */
export class StartGate {
  readonly #ratePerMs: number;
  #first: Millis | undefined;
  readonly #seen: { readonly rtp: number; readonly arrival: Millis }[] = [];
  #open = false;

  /** `clockRate` in Hz. */
  constructor(clockRate: number) {
    this.#ratePerMs = clockRate / 1000;
  }

  /** Arrival times can be believed. */
  get open(): boolean {
    return this.#open;
  }

  /** Notes a packet; `rtp` is unwrapped. True: this one opened the gate. */
  push(rtp: number, arrival: Millis): boolean {
    const seen = this.#seen;
    if (this.#open || rtp <= (seen.at(-1)?.rtp ?? Number.NEGATIVE_INFINITY)) return false;
    this.#first ??= arrival;
    seen.push({ rtp, arrival });
    if (seen.length > INTERVALS + 1) seen.shift();
    const oldest = seen.length > INTERVALS ? seen[0] : undefined;
    const share = oldest ? (arrival - oldest.arrival) / ((rtp - oldest.rtp) / this.#ratePerMs) : 0;
    this.#open = (share >= MIN_SHARE && share <= MAX_SHARE) || arrival - this.#first >= MAX_WAIT_MS;
    return this.#open;
  }
}
