import type { Frame } from "../../core/frame.ts";
import { SpeechMeter } from "../../core/media/speech-meter.ts";
import { micros } from "../../core/time.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";
import { levelOf } from "../compositor/listen.ts";
import { matroskaBlock, matroskaTrack, splitsFile } from "../recorder/matroska-codecs.ts";
import { DecoderSlot, type StartDecoder } from "./decoder-slot.ts";
import type { PlayoutDelay } from "./playout-delay.ts";
import { SoundRing } from "./sound-ring.ts";

const PER_MS = SOUND.rate / 1000;
const PACKET_US = 20_000;
/** Sender's word for silence that is nothing at all, -dBov (RFC 6464). */
const NOTHING = 127;
/** Off by more than this, playing goes on at another place instead of a little faster. Samples. */
const JUMP = SOUND.rate / 10;
/** Places are rounded. */
const ROUNDING = 2;
/** One sample in so many more is played to come closer to now. */
const SPEED = 100;

/** What feeds need of their stage. */
export type FeedContext = {
  readonly start: StartDecoder;
  readonly now: () => number;
  /** Milliseconds of a picture. */
  readonly frameMs: number;
};

/** A participant's sound, from packets to samples at their time. */
export class SoundFeed {
  readonly #c: FeedContext;
  readonly #delay: PlayoutDelay;
  readonly #slot: DecoderSlot;
  readonly #ring = new SoundRing();
  readonly #meter = new SpeechMeter();
  #first: Frame | undefined;
  /** The sender says how loud it is. */
  #told = false;
  /** When there last was any sound, on the machine's clock. */
  #soundAt = Number.NEGATIVE_INFINITY;
  #at: number | undefined;
  #decoded = 0;
  #dropped = 0;

  constructor(c: FeedContext, delay: PlayoutDelay) {
    this.#c = c;
    this.#delay = delay;
    this.#slot = new DecoderSlot(c.start, c.now);
  }

  /** There is a decoder. */
  get running(): boolean {
    return this.#slot.running;
  }

  /** When there last was anything but digital silence. */
  get soundAt(): number {
    return this.#soundAt;
  }

  /** Pieces decoded, packets left out, milliseconds that came too late, decoders that were replaced. */
  get counters() {
    return {
      decoded: this.#decoded,
      dropped: this.#dropped,
      lateMs: Math.round((this.#ring.late + this.#ring.lost) / PER_MS),
      restarts: this.#slot.restarts,
    };
  }

  /** Somebody speaks. */
  speaking(now: number): boolean {
    this.#meter.poll(micros(1000 * now));
    return this.#meter.speaking;
  }

  /** A packet. `level`: how loud it is, -dBov. */
  frame(frame: Frame, atMs: number, level: number | undefined): void {
    if (level !== undefined) {
      this.#told = true;
      this.#heard(atMs, frame.duration ?? PACKET_US, level);
    }
    if (
      !this.#slot.running ||
      !this.#first ||
      this.#first.codec !== frame.codec ||
      splitsFile(this.#first, frame)
    ) {
      if (!this.#slot.free) {
        this.#dropped++;
        return;
      }
      this.#first = frame;
      this.#slot.start({
        track: matroskaTrack(1, frame.codec, frame),
        onOutput: (timeMs, data, fresh) => this.#decodedPiece(timeMs, data, fresh),
      });
    }
    if (!this.#slot.push(atMs, true, matroskaBlock(frame))) this.#dropped++;
  }

  /** Adds what is heard in a span of the program to `into`; false: nothing is. `atMs`: when it would have been spoken. */
  read(atMs: number, count: number, into: Int16Array): boolean {
    const wanted = Math.round(atMs * PER_MS);
    const ahead = wanted - (this.#at ?? Number.NEGATIVE_INFINITY);
    const from = this.#at === undefined || ahead < -ROUNDING || ahead >= JUMP ? wanted : this.#at;
    const take = count + Math.max(0, Math.min(wanted - from, Math.ceil(count / SPEED)));
    this.#at = from + take;
    return this.#ring.read(from, take, count, into);
  }

  /** Looks after the decoder. */
  check(now: number): void {
    this.#slot.check(now);
  }

  async close(): Promise<void> {
    await this.#slot.close();
  }

  #decodedPiece(timeMs: number, data: Uint8Array, fresh: boolean): void {
    const samples = new Int16Array(data.buffer, data.byteOffset, data.length >> 1);
    this.#decoded++;
    if (!this.#told) this.#heard(timeMs, (1000 * samples.length) / SOUND.channels / PER_MS, levelOf(samples));
    // A decoder that is starting says nothing about the way to it.
    if (!fresh) this.#delay.came(this.#c.now() - timeMs, this.#c.now());
    this.#ring.write(timeMs * PER_MS, samples);
  }

  #heard(atMs: number, durationUs: number, level: number): void {
    this.#meter.push(micros(1000 * atMs), durationUs, level);
    if (level < NOTHING) this.#soundAt = this.#c.now();
  }
}
