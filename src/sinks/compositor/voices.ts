import { SOUND, SoundDecoder } from "../../ffmpeg/decode-sound.ts";
import type { Clip } from "./cast.ts";
import { Mixer } from "./mixer.ts";
import type { ReelOptions } from "./reels.ts";

/** Processes are started so long before their first sample is due. */
const WARM_UP = SOUND.rate;

type Voice = {
  readonly clip: Clip;
  readonly decoder: SoundDecoder;
  /** Where the next of its samples belongs, from the start of the composition. */
  at: number;
};

/** Plays all sound of a composition as one: 48 kHz, stereo, from its start, without holes. */
export class Voices {
  readonly #waiting: Clip[];
  readonly #running = new Set<Voice>();
  readonly #fromMs: number;
  readonly #o: ReelOptions;
  readonly #mixer = new Mixer();
  #at = 0;
  #piece = new Int16Array(0);

  /** `fromMs`: time of the session that the composition starts at. */
  constructor(clips: readonly Clip[], fromMs: number, o: ReelOptions) {
    this.#waiting = clips.toSorted((a, b) => a.fromMs - b.fromMs);
    this.#fromMs = fromMs;
    this.#o = o;
  }

  /** The next samples up to a place, as little-endian octets. Samples are counted per channel. */
  async upTo(end: number): Promise<Uint8Array> {
    const count = end - this.#at;
    this.#mixer.begin(count * SOUND.channels);
    for (let next = this.#waiting[0]; next && this.#place(next) < end + WARM_UP; next = this.#waiting[0])
      this.#start(next);
    for (const voice of this.#running) {
      if (voice.at < end) await this.#speak(voice, end);
    }
    this.#at = end;
    return this.#mixer.end();
  }

  /** Ends all processes. Idempotent. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#running].map((v) => v.decoder.close()));
    this.#running.clear();
  }

  #place(clip: Clip): number {
    return Math.round(((clip.fromMs - this.#fromMs) * SOUND.rate) / 1000);
  }

  #start(clip: Clip): void {
    this.#waiting.shift();
    const { ffmpeg, signal, pathOf } = this.#o;
    const fromMs = clip.fromMs - clip.startMs;
    const decoder = new SoundDecoder({ ffmpeg, path: pathOf(clip), fromMs, signal });
    this.#running.add({ clip, decoder, at: this.#place(clip) });
  }

  async #speak(voice: Voice, end: number): Promise<void> {
    const wanted = (end - voice.at) * SOUND.channels;
    if (this.#piece.length < wanted) this.#piece = new Int16Array(wanted);
    const got = await voice.decoder.read(this.#piece.subarray(0, wanted));
    this.#mixer.add(this.#piece, got, (voice.at - this.#at) * SOUND.channels);
    voice.at = end;
    if (got === wanted) return;
    this.#running.delete(voice);
    const { failure } = voice.decoder;
    if (failure) this.#o.onFailure(voice.clip, failure);
    await voice.decoder.close();
  }
}
