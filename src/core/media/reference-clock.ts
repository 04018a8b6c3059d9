import type { Millis, WallMillis } from "../time.ts";
import { ClockOffset, SharedOffset } from "./clock-offset.ts";
import { SenderClock } from "./sender-clock.ts";

/** Two tracks whose measures of one step of their sender's clock differ by less saw the same step. */
const SAME_STEP_MS = 50;

/** What is known of a wall clock. */
export type ReferenceModel = {
  /** By how much the RTP clock is fast against the wall clock, parts per million. */
  readonly driftPpm: number;
  /** How far the wall times lie off the line through them, milliseconds: the median. */
  readonly residualMs: number;
  /** Milliseconds to add to the wall clock to get local time. */
  readonly offsetMs: number;
  /** By how much the offset that this track sees differs from the one that the sender's tracks share. */
  readonly spreadMs: number;
};

/** A wall clock that places the tracks of one sender: what they share of it. */
export class ReferenceGroup {
  readonly offset = new SharedOffset();
  /** By how much a track's wall times may differ from its arrivals before they are called wrong, milliseconds. */
  readonly trustMs: number;
  /** What the track that noticed last adds to the clock, because it was set. */
  shift = 0;

  constructor(trustMs: number) {
    this.trustMs = trustMs;
  }
}

/**
 * Places one track by wall times of its sender (of reports, or of capture): RTP time to wall clock by regression,
 * wall clock to local time by the smallest difference to arrival, shared with the sender's other tracks as long as
 * their clocks agree. Arrival is the witness: nothing arrives before it was captured, or much later all the time.
 */
export class ReferenceClock {
  readonly #group: ReferenceGroup;
  readonly #ratePerMs: number;
  readonly #clock: SenderClock;
  readonly #own = new ClockOffset();
  #trusted = false;
  #distrusted = false;
  #lastOffset = 0;
  #steps = 0;

  /** `clockRate` in Hz. */
  constructor(group: ReferenceGroup, clockRate: number) {
    this.#group = group;
    this.#ratePerMs = clockRate / 1000;
    this.#clock = new SenderClock(clockRate);
  }

  /** The last look found a place for the track. */
  get trusted(): boolean {
    return this.#trusted;
  }

  /** The last look found the wall times to contradict arrival. */
  get distrusted(): boolean {
    return this.#distrusted;
  }

  /** What is known of the wall clock, as of the last look. */
  get model(): ReferenceModel {
    const offsetMs = this.#lastOffset;
    const { driftPpm, residualMs } = this.#clock;
    return { driftPpm, residualMs, offsetMs, spreadMs: (this.#own.best ?? offsetMs) - offsetMs };
  }

  /** Times that the sender's clock was set without moving the media. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * A wall time for an unwrapped RTP time, which arrived at `arrival`. `arrived`: offset of the best arrivals
   * (local time - media time), where they are known well. True: it was accepted.
   */
  push(wall: WallMillis, rtp: number, arrival: Millis, arrived: number | undefined): boolean {
    if (!this.#clock.known) this.#clock.shiftTo(this.#group.shift);
    const before = this.#clock.wallAt(rtp);
    const verdict = this.#clock.push(wall, rtp);
    if (verdict === "rejected") return false;
    if (verdict === "rebuilt" && before !== undefined) this.#onStep(before, rtp, arrival, arrived);
    this.#own.push(wall + this.#clock.shift, arrival);
    this.review(rtp, arrival, arrived);
    return true;
  }

  /** Looks anew at whether the wall times fit the arrivals, and whether the other tracks have the same clock. */
  review(rtp: number, arrival: Millis, arrived: number | undefined): void {
    if (!this.#clock.known) return;
    const others = this.#group.offset.bestWithout(this.#own, arrival);
    const shares = others === undefined || this.#fits(others, rtp, arrived);
    this.#group.offset.include(this.#own, shares, arrival);
    this.offsetAt(rtp, arrival, arrived);
  }

  /**
   * Milliseconds to add to media time (rtp / rate) for a frame that arrived at `arrival`; undefined: not known,
   * or not to be believed.
   */
  offsetAt(rtp: number, arrival: Millis, arrived: number | undefined): number | undefined {
    const group = this.#group;
    this.#trusted = false;
    this.#distrusted = false;
    const wall = this.#clock.wallAt(rtp);
    const offset = group.offset.includes(this.#own) ? group.offset.at(arrival) : this.#own.best;
    if (wall === undefined || offset === undefined) return undefined;
    this.#lastOffset = offset;
    this.#trusted = this.#fits(offset, rtp, arrived);
    this.#distrusted = !this.#trusted;
    return this.#distrusted ? undefined : wall + offset - rtp / this.#ratePerMs;
  }

  /** The RTP times start anew; the wall clock runs on. */
  restart(): void {
    this.#clock.reset();
    this.#trusted = false;
    this.#distrusted = false;
  }

  /** The wall clock is another. */
  reset(now: Millis): void {
    this.restart();
    this.#group.offset.include(this.#own, false, now);
    this.#own.reset();
  }

  /**
   * Several samples agree that the wall clock moved against RTP time. What fits the arrivals better was right:
   * if the old one, then the clock was set (NTP) or its reports went wrong, and the media knows nothing of it.
   */
  #onStep(before: number, rtp: number, arrival: Millis, arrived: number | undefined): void {
    const after = this.#clock.wallAt(rtp) ?? before;
    const offset = this.#group.offset.includes(this.#own) ? this.#group.offset.at(arrival) : this.#own.best;
    const expected = rtp / this.#ratePerMs + (arrived ?? 0) - (offset ?? 0);
    const old = Math.abs(before - expected);
    if (offset === undefined || arrived === undefined || old > Math.abs(after - expected)) {
      this.#own.reset();
      return;
    }
    this.#steps++;
    const shift = this.#clock.shift + before - after;
    const same = Math.abs(shift - this.#group.shift) < SAME_STEP_MS;
    this.#clock.shiftTo(same ? this.#group.shift : shift);
    this.#group.shift = this.#clock.shift;
  }

  #fits(offset: number, rtp: number, arrived: number | undefined): boolean {
    const wall = this.#clock.wallAt(rtp);
    if (wall === undefined || arrived === undefined) return true;
    return Math.abs(wall + offset - rtp / this.#ratePerMs - arrived) <= this.#group.trustMs;
  }
}
