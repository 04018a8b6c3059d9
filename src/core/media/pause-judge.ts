import { type Millis, millis } from "../time.ts";
import { ArrivalClock } from "./arrival-clock.ts";

/** Media time that disagrees with arrival time by this much over a pause does not go on where it was. */
const STEP_MS = 250;
/** No network keeps packets this long and then delivers them: the sender paused. */
const PAUSE_MS = 3000;
/** After a shorter pause the packets that were queued catch up within this time. */
const CATCH_UP_MS = 2000;
/** Media time ahead of arrival by this much is a jump of the timestamps, never the network. */
const AHEAD_MS = 1000;
/** No queue on a path grows beyond this: the clock rate is a lie, or the sender stalls again and again. */
const MAX_QUEUE_MS = 3000;
/** A packet this little behind the newest was overtaken or is a copy; so is one alone that is far behind. */
const OVERTAKEN_MS = 1000;

/**
 * Watches the packets of one stream for the moment when their timestamps stop meaning what they meant: a sender
 * that paused with its clock standing still, or that took any number to go on. A queue on the path, which looks
 * alike at first, must not be mistaken for it.
 */
export class PauseJudge {
  readonly #ratePerMs: number;
  readonly #recent: ArrivalClock;
  /** Newest packet; NaN: none yet. */
  #lastRtp = Number.NaN;
  #lastArrival = millis(Number.NaN);
  /** A step that may be a queue: when it came, and the offset before. */
  #suspect: { readonly since: Millis; readonly offset: number } | undefined;
  #lateSince: Millis | undefined;
  /** Packets in a row far behind the newest. */
  #behind = 0;

  /** `clockRate` in Hz. */
  constructor(clockRate: number) {
    this.#ratePerMs = clockRate / 1000;
    this.#recent = new ArrivalClock(clockRate, CATCH_UP_MS);
  }

  /**
   * Judges a packet by its unwrapped timestamp and arrival; `offset`: (local - media time) in use. True: timestamps
   * no longer compare with those before.
   */
  push(rtp: number, arrival: Millis, offset: number | undefined): boolean {
    const before = this.#recent.offset;
    if (before === undefined) {
      this.#note(rtp, arrival);
      return false;
    }
    const media = (rtp - this.#lastRtp) / this.#ratePerMs;
    const gap = arrival - this.#lastArrival;
    if (media <= 0 && !this.#goesBack(media, gap)) return false;
    this.#behind = 0;
    this.#note(rtp, arrival);
    const late = gap - media;
    if (media <= 0 || (gap >= PAUSE_MS && Math.abs(late) > STEP_MS)) return true;
    if (before - (arrival - rtp / this.#ratePerMs) > AHEAD_MS) return true;
    if (late > STEP_MS) this.#suspect ??= { since: arrival, offset: before };
    return this.#stalled(arrival) || this.#outruns(arrival, offset);
  }

  /** The sender's reports say that its timestamps mean what they meant. */
  acquit(): void {
    this.#suspect = undefined;
    this.#lateSince = undefined;
  }

  /** The mapping starts anew with the last packet. */
  restart(): void {
    this.#recent.reset();
    this.#behind = 0;
    this.acquit();
    if (!Number.isNaN(this.#lastRtp)) this.#recent.push(this.#lastRtp, this.#lastArrival);
  }

  /** Forgets everything. */
  reset(): void {
    this.#recent.reset();
    this.#behind = 0;
    this.acquit();
  }

  #goesBack(media: number, gap: number): boolean {
    return media < -OVERTAKEN_MS && (gap >= PAUSE_MS || ++this.#behind > 1);
  }

  #note(rtp: number, arrival: Millis): void {
    this.#recent.push(rtp, arrival);
    this.#lastRtp = rtp;
    this.#lastArrival = arrival;
  }

  #stalled(now: Millis): boolean {
    const s = this.#suspect;
    if (!s || now - s.since <= CATCH_UP_MS) return false;
    this.#suspect = undefined;
    return (this.#recent.offset ?? 0) - s.offset > STEP_MS;
  }

  #outruns(now: Millis, offset: number | undefined): boolean {
    if (offset === undefined || (this.#recent.offset ?? 0) - offset < MAX_QUEUE_MS) {
      this.#lateSince = undefined;
      return false;
    }
    this.#lateSince ??= now;
    return now - this.#lateSince >= CATCH_UP_MS;
  }
}
