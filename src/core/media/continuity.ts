import type { PayloadInfo } from "../codecs/codec.ts";

/**
 * What to do with a delta frame. `skip`: an upper temporal layer that may refer to something lost; the frames
 * below it are fine. `stuck`: the same, and it has gone on for long. `broken`: it may refer to a lost frame.
 */
export type Verdict = "pass" | "skip" | "stuck" | "broken";

/** Skipped frames after which waiting for a layer to synchronise is hopeless: the encoder never does. */
const STUCK_AFTER = 30;

/**
 * Decides after a loss whether the next frames can still be decoded, from what the payload says of itself:
 * frames nobody refers to, picture ids, temporal layers. Without such signs every loss is harmful.
 */
export class Continuity {
  #last: PayloadInfo | undefined;
  #suspect = false;
  /** Lost frames since the last whole one of which it is known that nobody refers to them. */
  #discardable = 0;
  /** Highest temporal layer whose references are all there. */
  #topLayer = Number.POSITIVE_INFINITY;
  #skipped = 0;

  /** Something was lost, and it is not known what. */
  suspect(): void {
    this.#suspect = true;
  }

  /** `n` frames were damaged to which no other frame refers: harmless by itself. */
  lostDiscardable(n: number): void {
    this.#discardable += n;
  }

  /** A keyframe has come: nothing before it matters. */
  keyframe(info: PayloadInfo): void {
    this.#last = info;
    this.#suspect = false;
    this.#discardable = 0;
    this.#topLayer = Number.POSITIVE_INFINITY;
    this.#skipped = 0;
  }

  /** Judges the next whole delta frame, described by its first packet. */
  judge(next: PayloadInfo): Verdict {
    const bridged = !this.#suspect || this.#bridge(next);
    this.#last = next;
    this.#suspect = false;
    this.#discardable = 0;
    if (!bridged) return "broken";
    const layer = next.temporalId ?? 0;
    if (layer > this.#topLayer) {
      if (!next.layerSync) return ++this.#skipped % STUCK_AFTER === 0 ? "stuck" : "skip";
      this.#topLayer = layer;
      this.#skipped = 0;
    }
    if (next.switchUp) this.#topLayer = Number.POSITIVE_INFINITY;
    return "pass";
  }

  /** True when no frame that `next` or a later base-layer frame refers to was lost before it. */
  #bridge(next: PayloadInfo): boolean {
    const last = this.#last;
    if (!last) return false;
    const lost = picturesBetween(last, next);
    if (lost !== undefined && lost <= this.#discardable) return true;
    if (last.tl0PicIdx === undefined || next.tl0PicIdx === undefined || next.temporalId === undefined) {
      return false;
    }
    // A base frame follows the base frame before it; an upper frame belongs to the newest base frame.
    const base = next.temporalId === 0 ? (last.tl0PicIdx + 1) & 0xff : last.tl0PicIdx;
    if (next.tl0PicIdx !== base) return false;
    this.#topLayer = 0;
    return true;
  }
}

/** Pictures between two frames by their picture ids; undefined when those say nothing. */
function picturesBetween(last: PayloadInfo, next: PayloadInfo): number | undefined {
  const bits = next.pictureIdBits;
  if (last.pictureId === undefined || next.pictureId === undefined) return undefined;
  if (bits === undefined || bits !== last.pictureIdBits) return undefined;
  return (next.pictureId - last.pictureId - 1) & ((1 << bits) - 1);
}
