import { type Micros, micros } from "../time.ts";

/** Packets are put 20 ms apart, the duration of the silence packet. */
const STEP_US = 20_000;
/** Silence may reach this far into a real packet: decoders count samples and would move all that follows. */
const OVERLAP_US = 2500;
/** A packet that is to be left out waits for a quiet one, until decoders are this many packets behind. */
const PATIENCE = 1.5;
/** A packet this much smaller than usual is quiet. */
const QUIET = 0.5;
const SMOOTHING = 0.05;

/**
 * Keeps an audio track continuous. A declared track must never go silent: players collapse the hole and
 * encoders wait for it. Players count samples, whatever the times say, so that the clock of a sender that runs off
 * by a little moves sound and picture apart: a packet too many is left out, one too few is silence.
 */
export class SilenceFiller {
  #end: number | undefined;
  /** Something was written: decoders count from there. */
  #counting = false;
  /** Usual size of a packet, octets. */
  #usual: number | undefined;

  /** Where the written audio ends for who counts samples; undefined before the start. */
  get end(): Micros | undefined {
    return this.#end === undefined ? undefined : micros(this.#end);
  }

  /** Declares the start of the track: what comes later than this is preceded by silence. */
  start(at: Micros): void {
    this.#end ??= at;
  }

  /**
   * Whether a real packet still has its place: not where silence stands already, nor one too many. `duration` in
   * microseconds, `size` in octets. Ask once for each.
   */
  takes(time: Micros, duration: number, size: number): boolean {
    const quiet = this.#usual !== undefined && size < QUIET * this.#usual;
    this.#usual = this.#usual === undefined ? size : this.#usual + SMOOTHING * (size - this.#usual);
    if (this.#end === undefined) return true;
    const excess = (this.#end - time) / duration;
    return excess <= (quiet ? 0.5 : PATIENCE);
  }

  /**
   * Times of the silence packets to write before a real packet at `time`. Afterwards the track ends behind
   * the real packet (`duration` in microseconds).
   */
  before(time: Micros, duration: number): Micros[] {
    // Less than half a packet is jitter of the timestamps, not a gap.
    const fill = this.#end !== undefined && time - this.#end > duration / 2 ? this.upTo(time) : [];
    this.#end = (this.#counting ? (this.#end ?? time) : time) + duration;
    this.#counting = true;
    return fill;
  }

  /** Times of the silence packets that bring the track up to `time`; a rest shorter than a packet stays open. */
  upTo(time: Micros): Micros[] {
    const out: Micros[] = [];
    if (this.#end === undefined) return out;
    while (this.#end + STEP_US <= time + OVERLAP_US) {
      out.push(micros(this.#end));
      this.#end += STEP_US;
      this.#counting = true;
    }
    return out;
  }
}
