/** Nothing waits for longer than this: repair gives up before. */
const MAX_MS = 1000;
/** What comes is needed a little before it is due. */
const MARGIN_MS = 20;
/** Late for so long, it is going to stay late. */
const LASTING_MS = 400;
/** Late again within so long, it is going to be late again. */
const AGAIN_MS = 15_000;
/** What comes late in a row comes no further apart. */
const APART_MS = 300;
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
 * when things keep coming late, and goes slowly back. What was late once is lost already, and waiting for it would be a
 * second hole. One for picture and sound, which therefore stay together.
 */
export class PlayoutDelay {
  readonly #baseMs: number;
  #ms: number;
  #peak = 0;
  #peakBefore = 0;
  #windowFrom: number | undefined;
  #at: number | undefined;
  /** When something last was late, and since when it is so in a row. */
  #lateAt = Number.NEGATIVE_INFINITY;
  #lateFrom = Number.NEGATIVE_INFINITY;
  #again = false;
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
    if (needed <= this.#ms) return;
    if (now - this.#lateAt > APART_MS) {
      this.#again = now - this.#lateAt < AGAIN_MS;
      this.#lateFrom = now;
    }
    this.#lateAt = now;
    if (this.#again || now - this.#lateFrom >= LASTING_MS)
      this.#ms = Math.min(Math.max(MAX_MS, this.#baseMs), needed + STEP_MS);
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
