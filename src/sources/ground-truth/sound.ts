import { SAMPLE_RATE, TONE_HZ, TONE_MS } from "./spec.ts";

/** Resolution of the envelope: a quarter of a period of the tone, in samples. */
const STEP = 12;
/** Steps in the filter's window: four periods, so that speech and noise next to the tone weigh little. */
const WINDOW = 16;
const STEPS_PER_PERIOD = SAMPLE_RATE / TONE_HZ / STEP;
const STEP_S = STEP / SAMPLE_RATE;
/** Quietest tone that counts, of full scale. */
const FLOOR = 0.01;
/** A tone weaker than this share of the strongest one is an echo or a codec's artefact. */
const RELATIVE_FLOOR = 0.25;
/** Breaks in a tone shorter than this, in seconds, do not end it. */
const JOIN_S = 0.02;

/**
 * Level of the clip's tone over time: samples in, one level per 12 samples out. A window slides over the
 * sound; the level is the amplitude of 1 kHz in it. At the start of a tone it rises in a straight line that
 * is halfway up when the window's middle passes the start.
 */
export class ToneEnvelope {
  readonly #cos = wave(0.25);
  readonly #sin = wave(0);
  readonly #cosSums = new Float64Array(WINDOW);
  readonly #sinSums = new Float64Array(WINDOW);
  #levels = new Float32Array(4096);
  #count = 0;
  #samples = 0;
  #cosSum = 0;
  #sinSum = 0;

  /** Adds mono 16-bit samples at 48 kHz. */
  push(pcm: Int16Array): void {
    for (const sample of pcm) {
      const phase = this.#samples % (STEP * STEPS_PER_PERIOD);
      this.#cosSum += sample * (this.#cos[phase] ?? 0);
      this.#sinSum += sample * (this.#sin[phase] ?? 0);
      this.#samples++;
      if (this.#samples % STEP === 0) this.#endStep();
    }
  }

  /** Samples seen so far. */
  get samples(): number {
    return this.#samples;
  }

  /** Amplitude (0..1 of full scale) per step; step `i` belongs to `stepTime(i)`. */
  get levels(): Float32Array {
    return this.#levels.subarray(0, this.#count);
  }

  #endStep(): void {
    this.#cosSums[this.#count % WINDOW] = this.#cosSum;
    this.#sinSums[this.#count % WINDOW] = this.#sinSum;
    this.#cosSum = 0;
    this.#sinSum = 0;
    let c = 0;
    let s = 0;
    for (let i = 0; i < WINDOW; i++) {
      c += this.#cosSums[i] ?? 0;
      s += this.#sinSums[i] ?? 0;
    }
    if (this.#count === this.#levels.length) {
      const longer = new Float32Array(2 * this.#levels.length);
      longer.set(this.#levels);
      this.#levels = longer;
    }
    this.#levels[this.#count++] = (2 * Math.hypot(c, s)) / (STEP * WINDOW * 32768);
  }
}

/** Middle of the window of step `i`, in seconds; fractions of a step are allowed. */
function stepTime(i: number): number {
  return (i + 1 - WINDOW / 2) * STEP_S;
}

/**
 * Times in seconds at which tones of the clip's length start. What a codec smears ahead of the tone is below
 * half of its level and does not move the result. A tone that the sound starts in the middle of is left out.
 */
export function toneOnsets(levels: Float32Array): number[] {
  let strongest = 0;
  for (const level of levels) if (level > strongest) strongest = level;
  const floor = Math.max(FLOOR, RELATIVE_FLOOR * strongest);
  const out: number[] = [];
  const join = JOIN_S / STEP_S;
  for (let i = 0; i < levels.length; i++) {
    if ((levels[i] ?? 0) < floor) continue;
    const from = i;
    let to = i;
    let peak = 0;
    for (; i < levels.length && i - to < join; i++) {
      const level = levels[i] ?? 0;
      if (level >= floor) to = i;
      if (level > peak) peak = level;
    }
    const half = peak / 2;
    const rise = crossing(levels, from, half);
    if (rise === undefined) continue;
    let fall = to;
    while ((levels[fall] ?? 0) < half) fall--;
    const lengthMs = 1000 * STEP_S * (fall - rise);
    if (lengthMs > TONE_MS / 2 && lengthMs < 2 * TONE_MS) out.push(stepTime(rise));
  }
  return out;
}

/** Step, with its fraction, at which the level first passes `half` after `from`; undefined: it was above before. */
function crossing(levels: Float32Array, from: number, half: number): number | undefined {
  let i = from;
  while ((levels[i] ?? 0) < half) i++;
  const above = levels[i] ?? 0;
  // Before the first full window nothing is known of what came earlier.
  if (i < WINDOW) return undefined;
  const below = levels[i - 1] ?? 0;
  return i - (above - half) / (above - below);
}

function wave(shift: number): Float64Array {
  const period = STEP * STEPS_PER_PERIOD;
  return Float64Array.from({ length: period }, (_, i) => Math.sin(2 * Math.PI * (i / period + shift)));
}
