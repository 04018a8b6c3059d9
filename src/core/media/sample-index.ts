import { RoomtapError } from "../fault.ts";
import type { MediaKind } from "../frame.ts";

/** One encoded audio frame of a clip. */
export type AudioSample = {
  /** Microseconds from the start of the clip. */
  readonly time: number;
  /** Octets. */
  readonly size: number;
  /** -dBov, 0 loudest to 127 silence (RFC 6464); absent: not known, and not sent. */
  readonly audioLevel?: number;
};

/** One encoded video frame of a clip, in decoding order (no B-frames: decoding order is showing order). */
export type VideoSample = { readonly time: number; readonly size: number; readonly keyframe: boolean };

/** What is in a clip, without its bytes. It is played in a loop. */
export type SampleIndex = {
  readonly video?: readonly VideoSample[];
  readonly audio?: readonly AudioSample[];
  /** Length of one pass in microseconds: after it the clip starts over. */
  readonly durationUs: number;
};

/**
 * The samples of one track as an endless row. Sample `n` counts on over all passes; its content time is
 * its time in the clip plus the length of the passes before. Content times and media times (what RTP
 * timestamps follow) differ by `shift`, which grows when content is skipped.
 */
export class SampleRow {
  readonly kind: MediaKind;
  /** Number of the next sample to send. */
  next = 0;
  /** Content time minus media time, microseconds. */
  shift = 0;
  readonly #samples: readonly {
    readonly time: number;
    readonly keyframe?: boolean;
    readonly audioLevel?: number;
  }[];
  readonly #durationUs: number;

  /** Errors: media-invalid when times do not grow, pass the duration, or the video does not start with a keyframe. */
  constructor(kind: MediaKind, samples: readonly (AudioSample | VideoSample)[], durationUs: number) {
    let last = -1;
    for (const s of samples) {
      if (!(s.time > last) || s.time >= durationUs)
        throw new RoomtapError(
          "media-invalid",
          `${kind} sample at ${s.time} us is out of order in a clip of ${durationUs} us`,
        );
      last = s.time;
    }
    if (samples.length === 0) throw new RoomtapError("media-invalid", `the clip's ${kind} track is empty`);
    this.kind = kind;
    this.#samples = samples;
    this.#durationUs = durationUs;
    if (kind === "video" && !this.isKeyframe(0))
      throw new RoomtapError("media-invalid", "the clip's video does not start with a keyframe");
  }

  /** Pass that sample `n` belongs to, from 0. */
  loopOf(n: number): number {
    return Math.floor(n / this.#samples.length);
  }

  /** Position of sample `n` in the clip's table. */
  indexOf(n: number): number {
    return n % this.#samples.length;
  }

  /** Content time of sample `n`. */
  content(n: number): number {
    return this.loopOf(n) * this.#durationUs + (this.#samples[this.indexOf(n)]?.time ?? 0);
  }

  /** Media time of sample `n` under the present shift. */
  media(n: number): number {
    return this.content(n) - this.shift;
  }

  /** True for audio, and for video frames that decode without earlier ones. */
  isKeyframe(n: number): boolean {
    return this.kind === "audio" || this.#samples[this.indexOf(n)]?.keyframe === true;
  }

  /** Audio level of sample `n`, where known. */
  audioLevel(n: number): number | undefined {
    return this.#samples[this.indexOf(n)]?.audioLevel;
  }

  /** First keyframe at or after sample `n`. */
  keyframeFrom(n: number): number {
    let k = n;
    while (!this.isKeyframe(k)) k++;
    return k;
  }

  /** First sample whose content time is not before `content`. */
  firstFrom(content: number): number {
    const count = this.#samples.length;
    const loop = Math.max(0, Math.floor(content / this.#durationUs));
    const inLoop = content - loop * this.#durationUs;
    let low = 0;
    let high = count;
    while (low < high) {
      const mid = (low + high) >> 1;
      if ((this.#samples[mid]?.time ?? 0) < inLoop) low = mid + 1;
      else high = mid;
    }
    return loop * count + low;
  }

  /** The sample whose content time is nearest to `content`, but none before `from`. */
  nearest(content: number, from: number): number {
    const after = this.firstFrom(content);
    if (after <= from) return from;
    return content - this.content(after - 1) <= this.content(after) - content ? after - 1 : after;
  }
}
