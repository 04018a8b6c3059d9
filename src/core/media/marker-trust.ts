/**
 * What the RTP marker of one sender is worth. Where it is only a hint, a keyframe of several packets whose
 * only marker is at its end earns trust; one marker inside a frame loses it for good.
 */
export class MarkerTrust {
  readonly #hint: boolean;
  #sure: boolean;
  #lies = false;
  #seen = false;

  /** `worth` as in `Codec.marker`. */
  constructor(worth: "end" | "hint") {
    this.#hint = worth === "hint";
    this.#sure = !this.#hint;
  }

  /** A marker ends a frame for sure. */
  get sure(): boolean {
    return this.#sure;
  }

  /** A frame without a marker lacks its end. */
  get expected(): boolean {
    return this.#seen && !this.#lies;
  }

  /**
   * What a frame is that ends without a marker where the next one begins. Servers that change to another simulcast
   * layer do so at its keyframe, in the middle of a frame of the layer before (LiveKit 1.13): that frame is torn.
   */
  unmarkedEnd(beforeKeyframe: boolean): "whole" | "torn" | "unknown" {
    if (!beforeKeyframe || !this.#sure) return "whole";
    if (this.#seen) return "torn";
    // The very first frame: whether the sender sets markers at all, the end of the keyframe tells.
    return "unknown";
  }

  /** A marker came. */
  seen(): void {
    this.#seen = true;
  }

  /** A frame of several packets had one marker, at its end. */
  proved(): void {
    if (!this.#lies) this.#sure = true;
  }

  /** A marker was found inside a frame. */
  lied(): void {
    if (!this.#hint) return;
    this.#lies = true;
    this.#sure = false;
  }
}
