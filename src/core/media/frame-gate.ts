import type { JoinedFrame, PayloadInfo } from "../codecs/codec.ts";
import type { KeyframeReason } from "./assembled-frame.ts";
import { Continuity } from "./continuity.ts";
import type { LossGap } from "./loss-gap.ts";

/** Held back for so long, a stream is begun at a recovery point: its encoder refreshes pictures in parts only. */
const RECOVERY_AFTER_MS = 5000;

/**
 * Lets whole video frames pass that can be decoded. After a harmful loss, and at the start, it holds back
 * delta frames until a keyframe and says that one is needed. `keep`: after the first keyframe everything
 * passes, keyframes are asked for all the same.
 */
export class FrameGate {
  readonly #continuity = new Continuity();
  readonly #keep: boolean;
  #closed = true;
  /** Arrival of the first frame that was held back since the gate closed. */
  #heldSince: number | undefined;
  #request: KeyframeReason | undefined;

  constructor(onLoss: "gate" | "keep") {
    this.#keep = onLoss === "keep";
  }

  /** Delta frames are dropped until a keyframe comes. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The reason a keyframe is needed, once. */
  takeRequest(): KeyframeReason | undefined {
    const r = this.#request;
    this.#request = undefined;
    return r;
  }

  /** A stream begins. */
  begin(): void {
    this.#closed = true;
    this.#heldSince = undefined;
    this.#request = "first-frame";
  }

  /** Later frames refer to something that is lost. */
  break(reason: KeyframeReason): void {
    // Behind a closed gate a keyframe is already asked for.
    if (!this.#closed || reason !== "loss") this.#request = reason;
    if (!this.#keep) this.#closed = true;
  }

  /** Packets are lost before the one with `after` at `rtpTime`. */
  onGap(gap: LossGap, after: PayloadInfo, rtpTime: number): void {
    this.#continuity.lostDiscardable(gap.discardable(after, rtpTime));
    const effect = gap.judge(after, rtpTime);
    if (effect === "certain") this.break("loss");
    else if (effect === "unknown") this.#continuity.suspect();
  }

  /**
   * The frame, whose first packet is `first`, if it may come out; a recovery point at which decoding begins comes
   * out as a keyframe. `arrival` in milliseconds.
   */
  admit(frame: JoinedFrame, first: PayloadInfo, arrival: number): JoinedFrame | undefined {
    if (frame.keyframe) {
      this.#open(first);
      return frame;
    }
    if (this.#closed) {
      this.#heldSince ??= arrival;
      if (!frame.recovery || arrival - this.#heldSince < RECOVERY_AFTER_MS) return undefined;
      this.#open(first);
      return { ...frame, keyframe: true };
    }
    const verdict = this.#continuity.judge(first);
    if (verdict === "pass") return frame;
    if (verdict === "broken") this.break("loss");
    else if (verdict === "stuck") this.#request = "loss";
    return this.#keep ? frame : undefined;
  }

  #open(first: PayloadInfo): void {
    this.#continuity.keyframe(first);
    this.#closed = false;
    this.#heldSince = undefined;
  }
}
