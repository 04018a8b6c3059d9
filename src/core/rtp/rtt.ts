import type { Millis } from "../time.ts";

const DEFAULT_MS = 100;
const MIN_MS = 20;
const MAX_MS = 1000;
/** Weight of the newest sample. */
const WEIGHT = 0.75;
/** While an echo is this fresh, guesses from repairs are not needed. */
const ECHO_LIFETIME_MS = 10_000;

/** Smoothed round trip to one peer. Echoes of timestamps count; repairs are a stand-in until one comes. */
export class RttEstimator {
  #ms = DEFAULT_MS;
  #measured = false;
  #echoAt: Millis | undefined;
  #echoMs: number | undefined;

  /** Milliseconds, 20..1000; 100 before the first sample. */
  get ms(): number {
    return this.#ms;
  }

  /** True once a sample came. */
  get measured(): boolean {
    return this.#measured;
  }

  /** The same from echoes alone and as short or long as it is, for people; undefined before the first. */
  get echoMs(): number | undefined {
    return this.#echoMs;
  }

  /**
   * Takes a round trip measured by the echo of one of our timestamps: DLRR (RFC 3611 section 4.5), or LSR and
   * DLSR of a report on a stream of ours (RFC 3550 section 6.4.1).
   */
  onEcho(ms: number, now: Millis): void {
    this.#echoAt = now;
    this.#echoMs = this.#echoMs === undefined ? ms : this.#echoMs + WEIGHT * (ms - this.#echoMs);
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
