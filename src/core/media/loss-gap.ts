import type { PayloadInfo } from "../codecs/codec.ts";

/** Whether later frames can refer to what was lost. */
export type GapEffect = "harmless" | "unknown" | "certain";

/** True when later base-layer frames refer to the frame this packet belongs to. */
function isReference(info: PayloadInfo): boolean {
  return info.media && !info.discardable && (info.temporalId ?? 0) === 0;
}

/** Lost packets in a row, the damaged frame before them, and what the packet after them says of both. */
export class LossGap {
  #length = 0;
  #before: PayloadInfo | undefined;
  #beforeTime = 0;

  /** Nothing is lost. */
  get empty(): boolean {
    return this.#length === 0 && this.#before === undefined;
  }

  /** The frame before the gap is damaged, and others refer to it. */
  get certain(): boolean {
    return this.#before !== undefined && isReference(this.#before);
  }

  /** The frame with this packet and RTP time lacks what the gap swallowed. */
  damaged(info: PayloadInfo, time: number): void {
    this.#before = info;
    this.#beforeTime = time;
  }

  /** One more packet is lost. */
  lost(): void {
    this.#length++;
  }

  /** Nothing of the lost frames arrived: the gap lies between two whole ones, `after` belongs to the second. */
  isBetweenFrames(after: PayloadInfo): boolean {
    return this.#before === undefined && after.start;
  }

  /** Damaged frames at the edges to which nobody refers, 0 to 2. */
  discardable(after: PayloadInfo, time: number): number {
    const head = this.#before?.discardable ? 1 : 0;
    return after.discardable && this.#damages(after, time) ? head + 1 : head;
  }

  /** Judges by the first packet after the gap. Only a single lost packet surely belongs to a damaged neighbour. */
  judge(after: PayloadInfo, time: number): GapEffect {
    const before = this.#before;
    const damagesAfter = this.#damages(after, time);
    if (this.certain || (damagesAfter && isReference(after))) return "certain";
    if (before) {
      if (!before.discardable || damagesAfter) return "unknown";
      return time === this.#beforeTime || this.#length === 1 ? "harmless" : "unknown";
    }
    return damagesAfter && after.discardable && this.#length === 1 ? "harmless" : "unknown";
  }

  /** Starts over. */
  clear(): void {
    this.#length = 0;
    this.#before = undefined;
  }

  /** True when the gap swallowed the beginning of the frame after it. */
  #damages(after: PayloadInfo, time: number): boolean {
    return !after.start && (this.#before === undefined || time !== this.#beforeTime);
  }
}
