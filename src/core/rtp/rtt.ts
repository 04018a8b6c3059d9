import { type Millis, type Ntp, ntpMid32 } from "../time.ts";

const DEFAULT_MS = 100;
const MIN_MS = 20;
const MAX_MS = 1000;
/** Weight of the newest sample. */
const WEIGHT = 0.75;
/** While an echo is this fresh, guesses from repairs are not needed. */
const ECHO_LIFETIME_MS = 10_000;
/** An echo that says more than this is broken, not slow. */
const MAX_PLAUSIBLE_MS = 60_000;

/**
 * Round trip in milliseconds from an echo of one of our timestamps: `last` the middle 32 bits of its NTP
 * time, `delay` how long the other side held it, in 1/65536 s (DLRR of RFC 3611 section 4.5, LSR and DLSR of
 * RFC 3550 section 6.4.1). undefined: nothing was echoed or the numbers cannot be.
 */
export function echoRoundTrip(now: Ntp, last: number, delay: number): number | undefined {
  if (last === 0) return undefined;
  const ms = (((ntpMid32(now) - last - delay) | 0) * 1000) / 65536;
  // Rounding and clock steps may take a short round trip below zero.
  if (ms < -1000 || ms > MAX_PLAUSIBLE_MS) return undefined;
  return Math.max(0, ms);
}

/** Smoothed round trip to one peer. Echoes of timestamps count; repairs are a stand-in until one comes. */
export class RttEstimator {
  #ms = DEFAULT_MS;
  #measured = false;
  #echoAt: Millis | undefined;

  /** Milliseconds, 20..1000; 100 before the first sample. */
  get ms(): number {
    return this.#ms;
  }

  /** True once a sample came. */
  get measured(): boolean {
    return this.#measured;
  }

  /** Takes a round trip measured by an echo (`echoRoundTrip`). */
  onEcho(ms: number, now: Millis): void {
    this.#echoAt = now;
    this.#add(ms);
  }

  /**
   * Takes the time from a NACK to the packet it asked for. Only packets asked for once count: later ones may
   * answer any of the requests.
   */
  onRepair(ms: number, now: Millis): void {
    if (this.#echoAt === undefined || now - this.#echoAt > ECHO_LIFETIME_MS) this.#add(ms);
  }

  #add(sample: number): void {
    const ms = Math.min(MAX_MS, Math.max(MIN_MS, sample));
    this.#ms = this.#measured ? this.#ms + WEIGHT * (ms - this.#ms) : ms;
    this.#measured = true;
  }
}
