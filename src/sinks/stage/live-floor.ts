/** Who says less than this gets no turn: "yes", "hm". */
const MIN_SPEECH_MS = 700;
/** Nobody loses the floor sooner than this. */
const MIN_TURN_MS = 2500;

/** Somebody, and whether they speak. */
export type Speaker = { readonly id: string; readonly speaking: boolean };

/**
 * Whose picture is large, as it happens: who has the floor keeps it while speaking, and after that until another has
 * spoken for long enough.
 */
export class LiveFloor {
  #holder: string | undefined;
  #since = Number.NEGATIVE_INFINITY;
  /** Since when those who speak do so. */
  #speaking = new Map<string, number>();

  /** Who has the floor; undefined: nobody is there. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Everybody who is there, in order. */
  update(now: number, everybody: readonly Speaker[]): void {
    const before = this.#speaking;
    this.#speaking = new Map();
    let longest: string | undefined;
    let holds = false;
    let holderSpeaks = false;
    for (const { id, speaking } of everybody) {
      if (id === this.#holder) {
        holds = true;
        holderSpeaks = speaking;
      }
      if (!speaking) continue;
      const since = before.get(id) ?? now;
      this.#speaking.set(id, since);
      if (id === this.#holder || now - since < MIN_SPEECH_MS) continue;
      if (longest === undefined || since < (this.#speaking.get(longest) ?? now)) longest = id;
    }
    if (!holds) this.#give(longest ?? everybody[0]?.id, now);
    else if (longest !== undefined && !holderSpeaks && now - this.#since >= MIN_TURN_MS)
      this.#give(longest, now);
  }

  #give(id: string | undefined, now: number): void {
    if (id === this.#holder) return;
    this.#holder = id;
    this.#since = now;
  }
}
