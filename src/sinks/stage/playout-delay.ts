/** Nothing waits for longer than this: repair gives up before. */
const MAX_MS = 1000;
/** What comes is needed a little before it is due. */
const MARGIN_MS = 20;
/** One step covers a little more than what made it necessary: each is a hole in the sound. */
const STEP_MS = 20;
/** How fast it comes back, milliseconds a second: nobody hears that. */
const RETURN_MS = 8;
/** So long nothing was late before it comes back. */
const CALM_MS = 10_000;
/** Time passes in steps; one longer than this is a time in which the process itself stood still. */
const STALL_MS = 150;
/** After that, what has waited comes; it says nothing about the way to us. */
const DEAF_MS = 1000;

/**
 * How much later than it happened somebody is seen and heard: as much as their media takes to come. It grows at once
 * when something comes late, and goes slowly back. One for picture and sound, which therefore stay together.
 */
export class PlayoutDelay {
  readonly #baseMs: number;
  #ms: number;
  #peak = 0;
  #peakBefore = 0;
  #windowFrom: number | undefined;
  #at: number | undefined;
  #deafUntil = Number.NEGATIVE_INFINITY;

  /** `baseMs`: it is never below this. */
  constructor(baseMs: number) {
    this.#baseMs = baseMs;
    this.#ms = baseMs;
  }

  /** Milliseconds. */
  get ms(): number {
    return this.#ms;
  }

  /** Something was there so long after the moment that it shows. */
  came(afterMs: number, now: number): void {
    if (now < this.#deafUntil || now - (this.#at ?? now) > STALL_MS) return;
    const needed = afterMs + MARGIN_MS;
    if (needed > this.#peak) this.#peak = needed;
    if (needed > this.#ms) this.#ms = Math.min(Math.max(MAX_MS, this.#baseMs), needed + STEP_MS);
  }

  /** Time goes by. */
  advance(now: number): void {
    const passed = now - (this.#at ?? now);
    this.#at = now;
    if (passed > STALL_MS) this.#deafUntil = now + DEAF_MS;
    this.#windowFrom ??= now;
    if (now - this.#windowFrom > CALM_MS) {
      this.#peakBefore = this.#peak;
      this.#peak = 0;
      this.#windowFrom = now;
    }
    const floor = Math.max(this.#baseMs, this.#peak, this.#peakBefore);
    if (this.#ms > floor) this.#ms = Math.max(floor, this.#ms - (RETURN_MS * passed) / 1000);
  }
}
