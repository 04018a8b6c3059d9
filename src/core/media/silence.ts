import { type Micros, micros } from "../time.ts";

/** Packets are put 20 ms apart, the duration of the silence packet. */
const STEP_US = 20_000;
/**
 * Keeps an audio track continuous. A declared track must never go silent: players collapse the hole and
 * encoders wait for it.
 */
export class SilenceFiller {
  #end: number | undefined;

  /** Where the written audio ends; undefined before the start. */
  get end(): Micros | undefined {
    return this.#end === undefined ? undefined : micros(this.#end);
  }

  /** Declares the start of the track: what comes later than this is preceded by silence. */
  start(at: Micros): void {
    this.#end ??= at;
  }

  /**
   * Times of the silence packets to write before a real packet at `time`. Afterwards the track ends behind
   * the real packet (`duration` in microseconds).
   */
  before(time: Micros, duration: number): Micros[] {
    // Less than half a packet is jitter of the timestamps, not a gap.
    const fill = this.#end !== undefined && time - this.#end > duration / 2 ? this.#fill(time, duration) : [];
    this.#end = Math.max(this.#end ?? 0, time + duration);
    return fill;
  }

  /** Times of the silence packets that bring the track up to `time` while nothing arrives. */
  upTo(time: Micros): Micros[] {
    return this.#fill(time, STEP_US);
  }

  #fill(until: number, slack: number): Micros[] {
    const out: Micros[] = [];
    if (this.#end === undefined) return out;
    // The last silence packet must not reach into the real packet by more than half of one.
    while (this.#end + STEP_US <= until + Math.min(slack, STEP_US) / 2) {
      out.push(micros(this.#end));
      this.#end += STEP_US;
    }
    return out;
  }
}
