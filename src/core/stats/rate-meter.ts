import type { Millis } from "../time.ts";

/** What is sampled once a second is sampled a little early now and then. */
const WINDOW_MS = 900;
/** Samples closer than this are not kept: the window stays small however often it is asked. */
const MIN_SPACING_MS = 50;

/** The rate at which a counter has grown over the last second, from samples of it. */
export class RateMeter {
  readonly #samples: { readonly at: Millis; readonly total: number }[] = [];

  /** Takes the counter at `now` and returns units per second; 0 before there are two samples. */
  sample(total: number, now: Millis): number {
    const newest = this.#samples.at(-1);
    // The counter began anew: what came before says nothing of it.
    if (newest && total < newest.total) this.#samples.length = 0;
    if (!newest || total < newest.total || now - newest.at >= MIN_SPACING_MS) {
      this.#samples.push({ at: now, total });
    }
    // The oldest one kept is the last that is about a second old.
    while ((this.#samples[1]?.at ?? now) <= now - WINDOW_MS) this.#samples.shift();
    return this.perSecond;
  }

  /** Units per second up to the newest sample. */
  get perSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.at <= first.at) return 0;
    return ((last.total - first.total) * 1000) / (last.at - first.at);
  }
}
