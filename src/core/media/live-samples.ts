import type { MediaKind } from "../frame.ts";
import { type Millis, millis } from "../time.ts";
import type { DueSample, SampleSource } from "./sample-source.ts";

/** A jump of media time beyond this is a hole: what is longer than any frame. */
const HOLE_MS = 200;

/**
 * A picture waits no longer than this for the sound of its time, which comes out of its encoder later. Receivers would
 * make up for it, given seconds; those that are sent together are together from the first.
 */
const HOLD_MS = 200;

/** A coded frame of a live stream. */
export type LiveSample = {
  readonly track: MediaKind;
  /** Octets as the track's packetizer takes them. */
  readonly data: Uint8Array;
  /** On a clock that both tracks share, milliseconds. */
  readonly timeMs: number;
  readonly keyframe: boolean;
};

type Waiting = { readonly sample: LiveSample; readonly at: Millis };

/**
 * What is sent as it comes: samples of a running encoder. Their times become media time such that the first one was
 * made when it came. Pictures wait for the sound of their time, a little. The encoder is shared: it makes keyframes
 * when it does, and requests are only counted.
 */
export class LiveSamples implements SampleSource {
  readonly stalls = 0;
  readonly #start: Millis;
  readonly #sound: Waiting[] = [];
  readonly #pictures: Waiting[] = [];
  readonly #lastMs = new Map<MediaKind, number>();
  /** Time of the newest sound. */
  #soundMs = Number.NEGATIVE_INFINITY;
  #shiftUs: number | undefined;
  #current: Uint8Array = new Uint8Array(0);
  #index = 0;
  #keyframeRequests = 0;

  /** `start`: local time of media time 0, as the sender has it. */
  constructor(start: Millis) {
    this.#start = start;
  }

  /** Requests for keyframes so far. */
  get keyframeRequests(): number {
    return this.#keyframeRequests;
  }

  /** The next sample; times of a track grow. Its memory must not change until it was polled. */
  push(sample: LiveSample, now: Millis): void {
    this.#shiftUs ??= (now - this.#start - sample.timeMs) * 1000;
    if (sample.track === "audio") this.#soundMs = Math.max(this.#soundMs, sample.timeMs);
    (sample.track === "audio" ? this.#sound : this.#pictures).push({ sample, at: now });
  }

  poll(now: Millis): DueSample | undefined {
    const sound = this.#sound.shift();
    if (sound) return this.#take(sound.sample);
    const picture = this.#pictures[0];
    if (!picture || this.#dueAt(picture) > now) return undefined;
    this.#pictures.shift();
    return this.#take(picture.sample);
  }

  /** Octets of the sample that was polled last. */
  read(): Uint8Array {
    return this.#current;
  }

  get deadline(): Millis | undefined {
    const picture = this.#pictures[0];
    return this.#sound[0]?.at ?? (picture && this.#dueAt(picture));
  }

  requestKeyframe(): void {
    this.#keyframeRequests++;
  }

  #dueAt({ sample, at }: Waiting): Millis {
    return sample.timeMs <= this.#soundMs ? at : millis(at + HOLD_MS);
  }

  #take({ track, data, timeMs, keyframe }: LiveSample): DueSample {
    const last = this.#lastMs.get(track);
    this.#lastMs.set(track, timeMs);
    this.#current = data;
    return {
      track,
      sampleIndex: this.#index++,
      loop: 0,
      mediaTimeUs: timeMs * 1000 + (this.#shiftUs ?? 0),
      keyframe: track === "audio" || keyframe,
      resumed: last === undefined || timeMs - last > HOLE_MS,
    };
  }
}
