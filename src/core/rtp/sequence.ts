import { seqDiff, tsDiff } from "../serial.ts";

/** RFC 3550 appendix A.1: larger steps forward are suspect, and so are numbers this far behind. */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;
/** A packet far behind whose timestamp is behind too, by up to this, is a late repetition, not a restart. */
const LATE_SECONDS = 10;
/** A timestamp this far off belongs to another stream of numbers. */
const JUMP_SECONDS = 30;

/**
 * Extended sequence numbers of one SSRC, with the restarts of a sender that starts counting afresh
 * (RFC 3550 appendix A.1, without probation: SRTP vouches for the source). Numbers grow over restarts too,
 * with a gap of more than one cycle.
 */
export class SequenceTracker {
  readonly #clockRate: number;
  #newest: number | undefined;
  #newestTs = 0;
  #start = 0;
  #base = 0;
  #epoch = 0;
  #expectedAfterSuspect: number | undefined;

  /** `clockRate` of the stream in Hz. */
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** Restarts so far. When it grows, what was buffered belongs to the past. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Newest extended number of this epoch; undefined before the first packet. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** Packets that should have arrived in this epoch (appendix A.3). */
  get expected(): number {
    return this.#newest === undefined ? 0 : this.#newest - this.#base + 1;
  }

  /** Extended highest sequence number as reports carry it: cycles of this epoch in the high 16 bits. */
  get reported(): number {
    return this.#newest === undefined ? 0 : (this.#newest - (this.#start - (this.#start & 0xffff))) >>> 0;
  }

  /**
   * The extended number of a packet. undefined: the number is out of place; drop the packet. If the next one
   * continues it, the sender has restarted.
   */
  accept(seq: number, timestamp: number): number | undefined {
    const newest = this.#newest;
    if (newest === undefined) return this.#begin(seq + 0x10000, timestamp);
    const d = seqDiff(seq, newest & 0xffff);
    const ext = newest + d;
    if (d > 0 && d <= MAX_DROPOUT) {
      this.#newest = ext;
      this.#newestTs = timestamp;
      this.#expectedAfterSuspect = undefined;
      return ext;
    }
    const age = tsDiff(this.#newestTs, timestamp) / this.#clockRate;
    if (d <= 0 && (d >= -MAX_MISORDER || (age >= 0 && age < LATE_SECONDS))) {
      // Overtaken at the start: the stream began earlier than it seemed.
      if (ext < this.#base && d >= -MAX_MISORDER) this.#base = ext;
      return ext;
    }
    if (seq === this.#expectedAfterSuspect || Math.abs(age) > JUMP_SECONDS) {
      this.#epoch++;
      return this.#begin(newest - (newest & 0xffff) + 0x20000 + seq, timestamp);
    }
    this.#expectedAfterSuspect = (seq + 1) & 0xffff;
    return undefined;
  }

  /** The extended number nearest to the newest, without counting a packet; undefined before the first one. */
  locate(seq: number): number | undefined {
    return this.#newest === undefined ? undefined : this.#newest + seqDiff(seq, this.#newest & 0xffff);
  }

  #begin(ext: number, timestamp: number): number {
    this.#newest = ext;
    this.#newestTs = timestamp;
    this.#start = ext;
    this.#base = ext;
    this.#expectedAfterSuspect = undefined;
    return ext;
  }
}
