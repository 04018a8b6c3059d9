import { type Millis, millis } from "../time.ts";
import { MinimumQueue } from "./minimum-queue.ts";

/** The smallest (arrival - time) of this long is taken for the offset of a remote clock. */
export const OFFSET_WINDOW_MS = 120_000;
/** Drift is told from the minima of this many minutes, once there are the fewer. */
const MINUTE_MS = 60_000;
const MAX_MINUTES = 30;
const MIN_MINUTES = 5;
/** No crystal is worse. */
const MAX_DRIFT = 500e-6;
/** Corrections of an offset in use: at most this much per second. */
const SLEW_MS_PER_S = 5;
/** Offsets that differ by more are not corrected but replaced. */
const STEP_MS = 250;
/** A sender that changes its SSRCs for ever does not grow the list of those who share a clock. */
const MAX_MEMBERS = 64;

/** The offset from a remote clock to local time, as one track sees it: its smallest (arrival - time). */
export class ClockOffset {
  readonly #window = new MinimumQueue(OFFSET_WINDOW_MS);
  /** The smallest offset of each of the last minutes. */
  #minutes: { at: number; offset: number }[] = [];
  #from = Number.NEGATIVE_INFINITY;
  #drift = 0;
  #best: number | undefined;
  #newest: Millis = millis(Number.NEGATIVE_INFINITY);

  /** Milliseconds to add to the remote clock; undefined before the first value. */
  get best(): number | undefined {
    return this.#best;
  }

  /** When the last value came. */
  get newest(): Millis {
    return this.#newest;
  }

  /** Something that was sent at `time` of the remote clock arrived. */
  push(time: number, arrival: Millis): void {
    const offset = arrival - time;
    this.#newest = arrival;
    this.#window.push(offset, arrival);
    this.#noteMinute(offset, arrival);
    // A remote clock that is slow makes old minima too small; one that is fast makes new ones.
    this.#best = this.#drift > 0 ? this.#window.grown(this.#drift, arrival) : this.#window.minimum;
  }

  /** The remote clock was set. */
  reset(): void {
    this.#window.reset();
    this.#minutes = [];
    this.#from = Number.NEGATIVE_INFINITY;
    this.#drift = 0;
    this.#best = undefined;
  }

  #noteMinute(offset: number, at: Millis): void {
    const m = this.#minutes.at(-1);
    if (m && at - this.#from < MINUTE_MS) {
      if (offset < m.offset) {
        m.at = at;
        m.offset = offset;
      }
      return;
    }
    if (this.#minutes.length >= MIN_MINUTES) this.#drift = clampDrift(slope(this.#minutes));
    this.#minutes.push({ at, offset });
    if (this.#minutes.length > MAX_MINUTES) this.#minutes.shift();
    this.#from = at;
  }
}

/**
 * The offset of a remote clock that several tracks share, so that lips and voice keep together: the smallest
 * that any of them has seen. It moves slowly, and for all at once: their distance from each other is never touched.
 */
export class SharedOffset {
  #members: ClockOffset[] = [];
  #applied: { offset: number; at: number } | undefined;

  /** The best offset that members other than `self` know, and that is not forgotten at `now`. */
  bestWithout(self: ClockOffset | undefined, now: Millis): number | undefined {
    let best: number | undefined;
    for (const m of this.#members) {
      if (m === self || m.best === undefined || m.newest < now - OFFSET_WINDOW_MS) continue;
      if (best === undefined || m.best < best) best = m.best;
    }
    return best;
  }

  /** True when what the track sees counts for all. */
  includes(o: ClockOffset): boolean {
    return this.#members.includes(o);
  }

  /** Counts what a track sees, or no longer. */
  include(o: ClockOffset, included: boolean, now: Millis): void {
    if (included === this.includes(o)) return;
    this.#members = this.#members.filter((m) => m !== o && m.newest >= now - OFFSET_WINDOW_MS);
    if (included) this.#members.push(o);
    if (this.#members.length > MAX_MEMBERS) this.#members.shift();
  }

  /** Milliseconds to add to the remote clock, for what arrived at `arrival`; undefined: not known. */
  at(arrival: Millis): number | undefined {
    const best = this.bestWithout(undefined, arrival);
    const applied = this.#applied;
    if (best === undefined) return undefined;
    if (!applied || Math.abs(best - applied.offset) > STEP_MS) {
      this.#applied = { offset: best, at: arrival };
      return best;
    }
    const elapsed = Math.max(0, arrival - applied.at);
    applied.offset += slew(best - applied.offset, elapsed);
    applied.at = Math.max(applied.at, arrival);
    return applied.offset;
  }
}

/** Small errors are corrected with this time constant, so that noise is averaged; larger ones at the full rate. */
const SLEW_TIME_MS = 4000;

/** How much of an error may be corrected in `elapsed` milliseconds. */
export function slew(error: number, elapsed: number): number {
  const limit = (SLEW_MS_PER_S * elapsed) / 1000;
  const wanted = error * Math.min(1, elapsed / SLEW_TIME_MS);
  return Math.max(-limit, Math.min(limit, wanted));
}

function clampDrift(ppm: number): number {
  return Math.max(0, Math.min(MAX_DRIFT, ppm));
}

/** Least-squares slope. */
function slope(points: readonly { at: number; offset: number }[]): number {
  let at = 0;
  let offset = 0;
  for (const p of points) {
    at += p.at;
    offset += p.offset;
  }
  at /= points.length;
  offset /= points.length;
  let num = 0;
  let den = 0;
  for (const p of points) {
    num += (p.at - at) * (p.offset - offset);
    den += (p.at - at) ** 2;
  }
  return den > 0 ? num / den : 0;
}
