/** As far back as a 16-bit number can point (RFC 1982): every number that can still arrive has its entry. */
const WINDOW = 0x8000;
const MASK = WINDOW - 1;
/** A stream seen this far into a reordered start began earlier than it seemed. */
const MAX_OVERTAKEN = 100;

/** What is known of a number in the window. Lost is zero: it is what a number that slides out may be. */
const State = { lost: 0, pending: 1, received: 2, recovered: 3 } as const;

/**
 * What became of every sequence number of one SSRC, over all its epochs:
 * `expected` = `received` + `recovered` + `lost` + `pending`, at every instant. Packets that came on any way are
 * `received` + `recovered` + `duplicates` + `stale`.
 */
export type LedgerCounts = {
  /** Numbers from the first to the newest of each epoch. */
  readonly expected: number;
  /** Numbers whose own packet came. */
  readonly received: number;
  /** Numbers that only a repair (RTX, RED) brought. One whose own packet comes later moves to `received`. */
  readonly recovered: number;
  /** Numbers given up. One that comes after all moves to `received` or `recovered`. */
  readonly lost: number;
  /** Numbers missing that may still come. */
  readonly pending: number;
  /** Packets and repairs beyond the first of a number. */
  readonly duplicates: number;
  /** Packets from before the beginning of the epoch: nobody expects them. */
  readonly stale: number;
};

/**
 * Our own counting of unique sequence numbers of one SSRC, besides that of RFC 3550, which counts duplicates as
 * received. Takes the extended numbers of a `SequenceTracker`. Memory: 8 KiB, whatever happens.
 */
export class SequenceLedger {
  /** Two bits per number. */
  readonly #states = new Uint8Array(WINDOW / 4);
  /** First and newest number of this epoch; `#newest` < `#base`: none yet. */
  #base = 0;
  #newest = -1;
  /** Nothing below is pending. */
  #floor = 0;
  #earlierExpected = 0;
  #received = 0;
  #recovered = 0;
  #lost = 0;
  #pending = 0;
  #duplicates = 0;
  #stale = 0;

  /** A packet of the primary stream came, padding included. True: the first of its number. */
  onPacket(extSeq: number): boolean {
    return this.#came(extSeq, State.received);
  }

  /** A repair brought a packet. True: it was missing. */
  onRecovered(extSeq: number): boolean {
    return this.#came(extSeq, State.recovered);
  }

  /** A missing packet is waited for no longer. Numbers that are not pending stay as they are. */
  onGiveUp(extSeq: number): void {
    if (extSeq < this.#floor || extSeq > this.#newest || this.#state(extSeq) !== State.pending) return;
    this.#pending--;
    this.#lost++;
    this.#put(extSeq, State.lost);
  }

  /** Everything missing below is waited for no longer. Costs no more than there was to wait for. */
  onGiveUpBefore(extSeq: number): void {
    const end = Math.min(extSeq, this.#newest + 1);
    if (this.#pending > 0) for (let seq = this.#floor; seq < end; seq++) this.onGiveUp(seq);
    if (end > this.#floor) this.#floor = end;
  }

  /** The sender counts afresh, or the stream has ended: nothing of this epoch is waited for. */
  onRestart(): void {
    this.#lost += this.#pending;
    this.#pending = 0;
    this.#earlierExpected += this.#newest - this.#base + 1;
    this.#base = 0;
    this.#newest = -1;
    this.#floor = 0;
  }

  /** The counts now. */
  snapshot(): LedgerCounts {
    return {
      expected: this.#earlierExpected + this.#newest - this.#base + 1,
      received: this.#received,
      recovered: this.#recovered,
      lost: this.#lost,
      pending: this.#pending,
      duplicates: this.#duplicates,
      stale: this.#stale,
    };
  }

  #came(extSeq: number, as: typeof State.received | typeof State.recovered): boolean {
    if (this.#newest < this.#base) this.#begin(extSeq);
    if (extSeq > this.#newest) this.#advance(extSeq);
    else if (extSeq < this.#base && !this.#widen(extSeq)) {
      this.#stale++;
      return false;
    }
    if (extSeq <= this.#newest - WINDOW) {
      this.#stale++;
      return false;
    }
    const before = this.#state(extSeq);
    if (before === State.pending) this.#pending--;
    else if (before === State.lost) this.#lost--;
    else {
      this.#duplicates++;
      if (before !== State.recovered || as !== State.received) return false;
      this.#recovered--;
    }
    this.#put(extSeq, as);
    if (as === State.received) this.#received++;
    else this.#recovered++;
    return before === State.pending || before === State.lost;
  }

  #begin(extSeq: number): void {
    this.#states.fill(0);
    this.#base = extSeq;
    this.#newest = extSeq - 1;
    this.#floor = extSeq;
  }

  /** Expects everything up to `extSeq`; what leaves the window will never come. */
  #advance(extSeq: number): void {
    const reach = extSeq - WINDOW;
    if (reach >= this.#newest) {
      // A leap over the whole window: all that was pending is lost, and so is the beginning of the leap.
      this.#lost += this.#pending + reach - this.#newest;
      this.#pending = 0;
      this.#newest = reach;
    } else if (reach >= this.#floor) this.onGiveUpBefore(reach + 1);
    for (let seq = this.#newest + 1; seq <= extSeq; seq++) this.#put(seq, State.pending);
    this.#pending += extSeq - this.#newest;
    this.#newest = extSeq;
    if (reach >= this.#floor) this.#floor = reach + 1;
  }

  /** The stream began earlier than it seemed; false: too much earlier to be believed. */
  #widen(extSeq: number): boolean {
    if (this.#newest - extSeq > MAX_OVERTAKEN) return false;
    for (let seq = extSeq; seq < this.#base; seq++) this.#put(seq, State.pending);
    this.#pending += this.#base - extSeq;
    this.#base = extSeq;
    this.#floor = extSeq;
    return true;
  }

  #state(seq: number): number {
    const at = seq & MASK;
    return ((this.#states[at >> 2] ?? 0) >> ((at & 3) << 1)) & 3;
  }

  #put(seq: number, state: number): void {
    const at = seq & MASK;
    const shift = (at & 3) << 1;
    this.#states[at >> 2] = ((this.#states[at >> 2] ?? 0) & ~(3 << shift)) | (state << shift);
  }
}
