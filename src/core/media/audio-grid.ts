/** Sound is moved once it is off by this much, or by half a packet if that is less. */
const MAX_ERROR_MS = 10;

/**
 * Puts sound where the sound before it ends. Corrections of the clock would make every packet a little longer or
 * shorter than it is, which no player can play; they are collected until they are worth a step.
 */
export class AudioGrid {
  #offset: number | undefined;
  #end = Number.NEGATIVE_INFINITY;

  /** Local time of a packet at `media` milliseconds of media time; `offset`: to local time, `duration` in ms. */
  place(media: number, offset: number, duration: number): number {
    const tolerance = Math.min(MAX_ERROR_MS, duration / 2);
    if (this.#offset === undefined || Math.abs(offset - this.#offset) >= tolerance) this.#offset = offset;
    const exact = media + this.#offset;
    const local = Math.abs(exact - this.#end) < tolerance ? this.#end : exact;
    this.#end = local + duration;
    return local;
  }

  /** The mapping starts anew. */
  reset(): void {
    this.#offset = undefined;
  }
}
