import { SILENCE_UNIT } from "../../core/codecs/opus-silence.ts";

const SAMPLES_PER_MS = 48;
/** A packet that comes later than what was before it ends, by less than half of it and by less than this, is jitter. */
const MIN_JITTER = 240;
const MAX_JITTER = 480;
/** A packet that is to be left out waits for a quiet one, until the count is this many packets ahead of the times. */
const PATIENCE = 1.5;
const QUIET_PATIENCE = 0.5;
/** A packet this much smaller than usual is quiet. */
const QUIET = 0.5;
const SMOOTHING = 0.05;

/**
 * Places packets of sound that have times where only samples count: says how much silence is to stand before each,
 * and which are too many. Times in milliseconds since the start of the file, lengths in samples at 48 kHz.
 */
export class SoundPlacement {
  /** Where what is placed so far ends. */
  #end = 0;
  #begun = false;
  /** Usual size of a packet, octets. */
  #usual: number | undefined;

  /**
   * The first packet is at this time. Returns the units of silence ahead of it, and how much of them is to be skipped
   * so that it is there to the sample.
   */
  begin(timeMs: number): { readonly units: number; readonly preSkip: number } {
    const at = Math.max(0, Math.round(timeMs * SAMPLES_PER_MS));
    const units = Math.ceil(at / SILENCE_UNIT);
    this.#begun = true;
    this.#end = at;
    return { units, preSkip: units * SILENCE_UNIT - at };
  }

  /** Units of silence ahead of a packet of this size in octets; undefined: it has no place. Ask once for each. */
  place(timeMs: number, samples: number, size: number): number | undefined {
    const quiet = this.#usual !== undefined && size < QUIET * this.#usual;
    this.#usual = this.#usual === undefined ? size : this.#usual + SMOOTHING * (size - this.#usual);
    const late = timeMs * SAMPLES_PER_MS - this.#end;
    if (this.#begun && -late > samples * (quiet ? QUIET_PATIENCE : PATIENCE)) return undefined;
    const jitter = Math.min(MAX_JITTER, Math.max(MIN_JITTER, samples / 2));
    const units = !this.#begun || late > jitter ? Math.max(0, Math.round(late / SILENCE_UNIT)) : 0;
    this.#begun = true;
    this.#end += units * SILENCE_UNIT + samples;
    return units;
  }

  /** Units of silence, in steps of 20 ms, that bring it up to this time. */
  reach(timeMs: number): number {
    const steps = Math.max(0, Math.floor((timeMs * SAMPLES_PER_MS - this.#end) / (8 * SILENCE_UNIT)));
    this.#begun ||= steps > 0;
    this.#end += steps * 8 * SILENCE_UNIT;
    return steps * 8;
  }
}
