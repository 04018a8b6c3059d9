import { TsUnwrapper, tsDiff } from "../serial.ts";
import type { Millis } from "../time.ts";

/** A step of media time this long ... */
const JUMP_SECONDS = 30;
/** ... within this little real time is an outlier. */
const QUIET_MS = 2000;
/** Timestamps count anew after as many. */
const WRAP = 0x1_0000_0000;
/** Values beyond begin low again while they are still exact: after half a million new clocks. */
const MAX_LIFT = 2 ** 51;

/**
 * Unwrapped RTP timestamps of one stream, without the stray values (often 0) that some servers let slip
 * into a stream. One such packet is dropped; two in a row that agree are a new clock.
 */
export class TimestampGuard {
  readonly #jump: number;
  readonly #unwrapper = new TsUnwrapper();
  #last = 0;
  #lastAt: Millis | undefined;
  #stray: number | undefined;
  #epoch = 0;
  /** Newest value given. */
  #newest = 0;
  /** What every value of this clock is lifted by, in whole wraps; undefined: to be found. */
  #lift: number | undefined = 0;

  /** `clockRate` of the stream in Hz. */
  constructor(clockRate: number) {
    this.#jump = JUMP_SECONDS * clockRate;
  }

  /**
   * New clocks so far. When it grows, the distance to earlier timestamps means nothing; but those are smaller, so
   * that what is still held of the old clock never looks later than what comes.
   */
  get epoch(): number {
    return this.#epoch;
  }

  /** Unwrapped timestamp of a packet, never negative; undefined: an outlier, drop the packet. */
  accept(timestamp: number, arrival: Millis): number | undefined {
    if (this.#lastAt !== undefined && Math.abs(tsDiff(timestamp, this.#last)) > this.#jump) {
      if (!this.#agrees(timestamp) && arrival - this.#lastAt < QUIET_MS) {
        this.#stray = timestamp;
        return undefined;
      }
      this.restart();
    }
    this.#stray = undefined;
    this.#last = timestamp;
    this.#lastAt = arrival;
    return this.#lifted(this.#unwrapper.unwrap(timestamp));
  }

  #lifted(unwrapped: number): number {
    this.#lift ??= WRAP * Math.max(0, Math.ceil((this.#newest + this.#jump - unwrapped) / WRAP));
    const value = unwrapped + this.#lift;
    this.#newest = Math.max(this.#newest, value);
    return value;
  }

  /** Zeros never agree with each other: a frame's worth of them is as wrong as one. */
  #agrees(timestamp: number): boolean {
    const stray = this.#stray;
    if (stray === undefined || (stray === 0 && timestamp === 0)) return false;
    return Math.abs(tsDiff(timestamp, stray)) <= this.#jump;
  }

  /** The sender restarted: the next timestamp starts a new clock, whatever it is. */
  restart(): void {
    this.#epoch++;
    if (this.#newest > MAX_LIFT) this.#newest = 0;
    this.#lift = undefined;
    this.#unwrapper.reset();
    this.#lastAt = undefined;
  }
}
