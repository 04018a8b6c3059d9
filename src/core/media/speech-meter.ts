import { type Micros, micros } from "../time.ts";

/** A span in which somebody spoke. */
export type Speech = { readonly from: Micros; readonly to: Micros };

/** Louder than this is a voice near the microphone; rooms and fans stay below. -dBov (RFC 6464). */
const VOICE_LEVEL = 50;
/** A click is no speech: so much of it within the window makes one begin. */
const BEGIN_US = 160_000;
const WINDOW_US = 400_000;
/** Pauses between words and sentences. */
const END_US = 800_000;

/** Tells from the levels that a sender states with its packets when somebody spoke. */
export class SpeechMeter {
  /** Voice of the window that did not make a speech yet. */
  #recent: { readonly at: number; readonly duration: number }[] = [];
  #from: number | undefined;
  #lastVoice = 0;

  /** Somebody speaks now. */
  get speaking(): boolean {
    return this.#from !== undefined;
  }

  /** A packet of sound; `duration` in microseconds. Returns the speech that turns out to be over. */
  push(time: Micros, duration: number, level: number): Speech | undefined {
    const over = this.poll(time);
    if (level > VOICE_LEVEL) return over;
    this.#lastVoice = time + duration;
    if (this.#from !== undefined) return over;
    this.#recent = this.#recent.filter((v) => v.at > time - WINDOW_US);
    this.#recent.push({ at: time, duration });
    if (this.#recent.reduce((sum, v) => sum + v.duration, 0) >= BEGIN_US) {
      this.#from = this.#recent[0]?.at;
      this.#recent = [];
    }
    return over;
  }

  /** The speech that is over at `now`, once. */
  poll(now: Micros): Speech | undefined {
    return now - this.#lastVoice >= END_US ? this.end() : undefined;
  }

  /** Nothing more comes: the speech that was going on. */
  end(): Speech | undefined {
    const from = this.#from;
    this.#from = undefined;
    return from === undefined ? undefined : { from: micros(from), to: micros(this.#lastVoice) };
  }
}
