import type { MediaKind } from "../frame.ts";
import type { Millis } from "../time.ts";

/** A sample that is due. */
export type DueSample = {
  readonly track: MediaKind;
  /** Which one it is, to its source: of a clip, the position in its sample table. */
  readonly sampleIndex: number;
  /** Pass through a clip, from 0. */
  readonly loop: number;
  /** Media time in microseconds: continuous over passes and skipped content; RTP time follows it. */
  readonly mediaTimeUs: number;
  /** Video: decodes without earlier frames. Audio: true. */
  readonly keyframe: boolean;
  /** First sample of the track, or the first one after missed ones: media time jumped. */
  readonly resumed: boolean;
  readonly audioLevel?: number;
};

/** Where what a sender sends comes from. */
export interface SampleSource {
  /** Next sample that is due at `now`, in the order they are to be sent; undefined when all are ahead. */
  poll(now: Millis): DueSample | undefined;
  /** When the next sample is due; undefined: none is known of. */
  readonly deadline: Millis | undefined;
  /** Somebody waits for a keyframe of the video. */
  requestKeyframe(): void;
  /** Times that missed content was dropped. */
  readonly stalls: number;
}
