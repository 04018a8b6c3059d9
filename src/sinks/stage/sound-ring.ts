import { SOUND } from "../../ffmpeg/decode-sound.ts";

/** Samples, per channel, that are kept: all delays together, and some more. */
const SIZE = 131_072;
const { channels: CHANNELS, rate: RATE } = SOUND;
/** Sound that is off by more than this is put where it belongs. Samples. */
const MAX_OFF = RATE / 50;
/** Sound that is off by more than this comes to its place sample by sample. */
const OFF = RATE / 500;
/** Sound begins and ends at a hole over so many samples, without a click. */
const FADE = 120;

/**
 * Somebody's sound between decoding and playing. Positions count samples of the time at which it was spoken. A clock
 * that runs off by a little is followed by single samples, left out or said twice. What was not written is silence.
 */
export class SoundRing {
  readonly #samples = new Int16Array(SIZE * CHANNELS);
  /** Behind the newest sample; undefined: nothing came yet. */
  #end: number | undefined;
  /** Everything before was played. */
  #played = Number.NEGATIVE_INFINITY;
  #late = 0;
  #lost = 0;

  /** Samples that came when their time was over. */
  get late(): number {
    return this.#late;
  }

  /** Samples for which there was no room: they belong into a future too far away. */
  get lost(): number {
    return this.#lost;
  }

  /** Writes samples, interleaved, that belong to `at`. */
  write(at: number, piece: Int16Array): void {
    const count = piece.length / CHANNELS;
    // What would have been before the first sample is over.
    if (this.#end === undefined && this.#played === Number.NEGATIVE_INFINITY) this.#played = Math.round(at);
    const end = this.#end ?? at;
    const off = at - end;
    if (this.#end === undefined || Math.abs(off) > MAX_OFF) {
      const start = Math.round(at);
      if (off > 0) this.#fadeOut(end);
      else this.#clear(Math.max(start + count, this.#played), end);
      this.#put(start, piece, count, true);
      this.#end = start + count;
      return;
    }
    const most = off < -OFF ? count - 1 : count;
    this.#put(end, piece, most, false);
    this.#end = end + most;
    if (off <= OFF || count === 0) return;
    this.#put(this.#end, piece.subarray((count - 1) * CHANNELS), 1, false);
    this.#end++;
  }

  /**
   * Plays `take` samples from `from` on, as `count` samples, into `into`. False: all of it is silence, and `into` was
   * not touched. What was played is gone.
   */
  read(from: number, take: number, count: number, into: Int16Array): boolean {
    const played = this.#played;
    const until = from + take;
    const sounds = this.#end !== undefined && this.#end > Math.max(from, played) && until > played;
    if (sounds) {
      const pace = take / count;
      for (let i = 0; i < count; i++) {
        const exact = i * pace;
        const whole = Math.floor(exact);
        const share = exact - whole;
        const slot = slotOf(from + whole);
        const next = share > 0 ? slotOf(from + whole + 1) : slot;
        const heard = from + whole >= played;
        for (let c = 0; c < CHANNELS; c++) {
          const a = this.#samples[slot + c] ?? 0;
          into[2 * i + c] = heard ? a + ((this.#samples[next + c] ?? 0) - a) * share : 0;
        }
      }
    }
    if (until <= played) return sounds;
    if (this.#end !== undefined) this.#clear(played, until);
    this.#played = until;
    return sounds;
  }

  #put(at: number, piece: Int16Array, count: number, fadeIn: boolean): void {
    const from = Math.min(count, Math.max(0, this.#played - at));
    this.#late += from;
    const to = Math.max(from, Math.min(count, this.#played + SIZE - at));
    this.#lost += count - to;
    for (let i = from; i < to; i++) {
      const slot = slotOf(at + i);
      const share = fadeIn && i - from < FADE ? (i - from) / FADE : 1;
      this.#samples[slot] = (piece[2 * i] ?? 0) * share;
      this.#samples[slot + 1] = (piece[2 * i + 1] ?? 0) * share;
    }
  }

  #fadeOut(end: number): void {
    for (let i = 0; i < FADE && end - 1 - i >= this.#played; i++) {
      const slot = slotOf(end - 1 - i);
      this.#samples[slot] = ((this.#samples[slot] ?? 0) * i) / FADE;
      this.#samples[slot + 1] = ((this.#samples[slot + 1] ?? 0) * i) / FADE;
    }
  }

  #clear(from: number, to: number): void {
    if (to - from >= SIZE) this.#samples.fill(0);
    else if (to > from) {
      const [a, b] = [slotOf(from), slotOf(to)];
      if (a < b) this.#samples.fill(0, a, b);
      else this.#samples.fill(0, a).fill(0, 0, b);
    }
  }
}

function slotOf(position: number): number {
  return (((position % SIZE) + SIZE) % SIZE) * CHANNELS;
}
