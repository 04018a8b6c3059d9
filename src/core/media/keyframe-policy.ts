import type { Machine } from "../machine.ts";
import { type Millis, millis } from "../time.ts";
import type { KeyframeReason } from "./assembled-frame.ts";

/** Encoders ignore requests that follow each other faster. */
const MIN_SPACING_MS = 500;
/** Waits after the first, second, ... unanswered request; the last one repeats. */
const RETRY_MS = [500, 1000, 2000, 4000];
/** A keyframe packet this young: the keyframe is under way, a request would make a second one. */
const ARRIVING_MS = 200;
/** A stream that begins gets this long to show that it begins with a keyframe (parameter sets come first). */
const FIRST_FRAME_MS = 100;
/** Without a packet for this long the sender is muted or gone. */
const QUIET_MS = 5000;

/**
 * Paces the keyframe requests (PLI) of one video SSRC: a request goes out at once when the last one is long
 * enough ago, is repeated ever more slowly while no keyframe comes, and rests while one is arriving or the
 * sender is silent. Push a reason whenever a keyframe is needed; poll says when to send.
 */
export class KeyframePolicy implements Machine<KeyframeReason, KeyframeReason> {
  #wanted: KeyframeReason | undefined;
  #lastSent: Millis | undefined;
  #notBefore = 0;
  /** Requests without an answer. */
  #tries = 0;
  #lastPacket: Millis | undefined;
  /** The sender is silent: it is asked again when it speaks. */
  #resting = false;
  #lastKeyframePacket: Millis | undefined;
  #sent = 0;

  /** Requests sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** A keyframe is needed. While one is already asked for, only the reason changes. */
  push(reason: KeyframeReason, now: Millis): void {
    this.#wanted = reason;
    if (reason === "first-frame") this.#notBefore = now + FIRST_FRAME_MS;
  }

  /** Any RTP packet of this SSRC came; `keyframe`: it belongs to a keyframe. */
  onPacket(keyframe: boolean, now: Millis): void {
    this.#lastPacket = now;
    this.#resting = false;
    if (keyframe) this.#lastKeyframePacket = now;
  }

  /** A whole keyframe came out: nothing is wanted any more. */
  onKeyframe(): void {
    this.#wanted = undefined;
    this.#tries = 0;
  }

  /** The reason, when a request shall be sent now. */
  poll(now: Millis): KeyframeReason | undefined {
    const due = this.deadline;
    if (due === undefined || now < due) return undefined;
    if (this.#lastPacket !== undefined && now >= this.#lastPacket + QUIET_MS) {
      this.#resting = true;
      return undefined;
    }
    this.#lastSent = now;
    this.#tries++;
    this.#sent++;
    return this.#wanted;
  }

  get deadline(): Millis | undefined {
    if (this.#wanted === undefined || this.#resting) return undefined;
    const paced = this.#lastSent === undefined ? 0 : this.#lastSent + this.#spacing();
    const arrived = this.#lastKeyframePacket === undefined ? 0 : this.#lastKeyframePacket + ARRIVING_MS;
    return millis(Math.max(paced, arrived, this.#notBefore));
  }

  #spacing(): number {
    if (this.#tries === 0) return MIN_SPACING_MS;
    return RETRY_MS[Math.min(this.#tries, RETRY_MS.length) - 1] ?? MIN_SPACING_MS;
  }
}
