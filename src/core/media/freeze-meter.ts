import type { Millis } from "../time.ts";

/** Frames that the average looks back on, and how many there must be before a pause is called a freeze. */
const FRAMES = 30;
const MIN_FRAMES = 5;
/** A freeze is longer than three frames and than one frame and this. */
const MIN_EXCESS_MS = 150;

/**
 * Freezes of a video as W3C webrtc-stats defines `freezeCount`, at the moment frames are complete and in order:
 * an interval of at least max(3 a, a + 150 ms), where a is the average of the 30 intervals before it.
 */
export class FreezeMeter {
  readonly #intervals = new Float64Array(FRAMES);
  #known = 0;
  #sum = 0;
  #last: Millis | undefined;
  #count = 0;
  #totalMs = 0;

  /** Freezes so far, and how long they lasted together. */
  get freezes(): { readonly count: number; readonly totalMs: number } {
    return { count: this.#count, totalMs: this.#totalMs };
  }

  /** A frame is complete, and so are all before it that will ever be. Times never go back. */
  onFrame(now: Millis): void {
    const last = this.#last;
    this.#last = now;
    if (last === undefined) return;
    const interval = now - last;
    const seen = Math.min(this.#known, FRAMES);
    const average = seen > 0 ? this.#sum / seen : 0;
    if (seen >= MIN_FRAMES && interval >= Math.max(3 * average, average + MIN_EXCESS_MS)) {
      this.#count++;
      this.#totalMs += interval;
    }
    const slot = this.#known % FRAMES;
    this.#sum += interval - (this.#intervals[slot] ?? 0);
    this.#intervals[slot] = interval;
    this.#known++;
  }
}
