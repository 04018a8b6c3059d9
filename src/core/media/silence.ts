import { type Micros, micros } from "../time.ts";

/** Packets are put 20 ms apart, the duration of the silence packet. */
const STEP_US = 20_000;
/** Silence may reach this far into a real packet: decoders count samples and would move all that follows. */
const OVERLAP_US = 2500;
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
    const fill = this.#end !== undefined && time - this.#end > duration / 2 ? this.upTo(time) : [];
    this.#end = Math.max(this.#end ?? 0, time + duration);
    return fill;
  }

  /** Times of the silence packets that bring the track up to `time`; a rest shorter than a packet stays open. */
  upTo(time: Micros): Micros[] {
    const out: Micros[] = [];
    if (this.#end === undefined) return out;
    while (this.#end + STEP_US <= time + OVERLAP_US) {
      out.push(micros(this.#end));
      this.#end += STEP_US;
    }
    return out;
  }
}
