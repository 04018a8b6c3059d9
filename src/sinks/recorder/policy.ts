/** What becomes of a recording where there is a choice. */
export type RecordingPolicy = {
  /** A file for each participant (a screen apart), or for each track. */
  readonly layout: "participants" | "tracks";
  /**
   * The picture changes its size: the file goes on with it, a new file begins, or all pictures are scaled onto
   * one canvas after the call. MP4, whose players want one size, is scaled instead of kept.
   */
  readonly onResize: "keep" | "split" | "scale";
  /** Sound is missing: silence is written, or the hole stays one. */
  readonly audioGaps: "silence" | "keep";
  /**
   * Pictures are missing: the hole stays one (players show the last picture meanwhile), or it is filled after the
   * call with the last picture, or with black ones.
   */
  readonly videoGaps: "keep" | "hold" | "black";
  /** A new file begins after this many milliseconds, at the next keyframe. */
  readonly segmentMs?: number;
};

/** Nothing is encoded again and no time is lost. */
export const defaultPolicy: RecordingPolicy = {
  layout: "participants",
  onResize: "keep",
  audioGaps: "silence",
  videoGaps: "keep",
};
