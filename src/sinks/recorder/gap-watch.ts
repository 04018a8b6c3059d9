import type { Frame, MediaKind } from "../../core/frame.ts";
import { type Micros, micros } from "../../core/time.ts";

/** A hole in a track. */
export type Gap = { readonly from: Micros; readonly to: Micros; readonly cause: "loss" | "silence" };

/** Shorter ones are the network's doing and the timestamps'. */
const AUDIO_GAP_US = 100_000;
/** A sender of Opus that has nothing to say sends a packet every 400 ms (RFC 7587 section 3.1.3): that is no hole. */
const SILENCE_US = 500_000;
const VIDEO_GAP_US = 250_000;
/** Pictures that come rarely (a screen that stands still) are no hole: it is one by this many usual distances. */
const USUAL_DISTANCES = 3;
const SMOOTHING = 0.4;

/** Sees where frames of one track are missing. */
export class GapWatch {
  readonly #audio: boolean;
  /** Where the last frame ended (sound) or began (pictures). */
  #last: number | undefined;
  #distance: number | undefined;
  /** The last frame stood behind a hole: how far the next one is away may be what is usual now. */
  #behindGap = false;
  #lost = false;

  constructor(kind: MediaKind) {
    this.#audio = kind === "audio";
  }

  /** The track is there from here on, also when nothing comes of it. */
  start(at: Micros): void {
    this.#last ??= at;
  }

  /** Packets before the next frame are known to be missing. */
  lost(): void {
    this.#lost = true;
  }

  /** The hole before this frame, if there is one. Frames in order of time. */
  frame(f: Frame): Gap | undefined {
    const lost = f.lostBefore > 0 || this.#lost;
    this.#lost = false;
    const last = this.#last;
    const end = f.time + (this.#audio ? (f.duration ?? 0) : 0);
    this.#last = Math.max(last ?? end, end);
    if (last === undefined) return undefined;
    const distance = f.time - last;
    const usual = distance < this.#limit(lost) || (this.#behindGap && !this.#audio && !lost);
    this.#behindGap = !usual;
    if (usual) {
      if (!this.#audio) this.#learn(distance);
      return undefined;
    }
    this.#distance = undefined;
    return { from: micros(last), to: f.time, cause: lost ? "loss" : "silence" };
  }

  /** The hole between the last frame and the end, if there is one. */
  end(at: Micros): Gap | undefined {
    const last = this.#last;
    if (last === undefined || at - last < Math.max(this.#limit(false), VIDEO_GAP_US)) return undefined;
    return { from: micros(last), to: at, cause: "silence" };
  }

  #limit(lost: boolean): number {
    if (this.#audio) return lost ? AUDIO_GAP_US : SILENCE_US;
    return Math.max(VIDEO_GAP_US, USUAL_DISTANCES * (this.#distance ?? 0));
  }

  #learn(distance: number): void {
    this.#distance = (1 - SMOOTHING) * (this.#distance ?? distance) + SMOOTHING * distance;
  }
}
