import { type Millis, millis, type WallMillis } from "../time.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import { SenderClock } from "./sender-clock.ts";

/** Window over which the smallest (report arrival - report time) is taken as the sender's clock offset. */
const OFFSET_WINDOW_MS = 120_000;
/** Differences below this are noise and left alone. */
const IGNORE_MS = 5;
/** Corrections after the first frame: at most this much per second of media. */
const SLEW_MS_PER_S = 5;
/** Reports that disagree with arrival by more than this are not believed. */
const TRUST_MS = 1000;
/** Media time that moved this far against arrival time restarts the mapping. */
const RESTART_MS = 1000;
/** A lasting shift of arrival against media time: the sender stopped without moving its timestamps. */
const STALL_MS = 250;
const STALL_FOR_MS = 2000;

/**
 * The clock of one sender (one CNAME), shared by its tracks so that lips and voice keep together: local time
 * = sender time + the smallest offset seen between a report's arrival and its time.
 */
export class SenderTimeline {
  /** Ascending minimum queue, as in ArrivalClock. */
  #queue: { at: number; offset: number }[] = [];
  #applied: { offset: number; at: number } | undefined;

  /**
   * Local milliseconds to add to the sender's wall clock, for frames that arrived at `arrival`; undefined
   * before the first report. It moves towards the smallest offset seen slowly, and for all tracks at once: their
   * distance from each other is never touched.
   */
  offset(arrival: Millis): number | undefined {
    const best = this.#queue[0]?.offset;
    const applied = this.#applied;
    if (best === undefined) return undefined;
    if (!applied || Math.abs(best - applied.offset) > TRUST_MS) {
      this.#applied = { offset: best, at: arrival };
      return best;
    }
    const limit = (SLEW_MS_PER_S * Math.max(0, arrival - applied.at)) / 1000;
    applied.offset += Math.max(-limit, Math.min(limit, best - applied.offset));
    applied.at = Math.max(applied.at, arrival);
    return applied.offset;
  }

  /** Notes a sender report of any track of this sender. */
  onReport(wall: WallMillis, arrival: Millis): void {
    const offset = arrival - wall;
    const front = this.#queue[0];
    // A step of the sender's clock makes the old minimum meaningless.
    if (front && Math.abs(offset - front.offset) > 10 * TRUST_MS) this.#queue = [];
    const q = this.#queue;
    while (q.length > 0 && (q.at(-1)?.offset ?? 0) >= offset) q.pop();
    q.push({ at: arrival, offset });
    while (q.length > 1 && (q[0]?.at ?? 0) < arrival - OFFSET_WINDOW_MS) q.shift();
  }

  /** A track of this sender. `clockRate` in Hz. */
  track(clockRate: number): TrackTimeline {
    return new TrackTimeline(this, clockRate);
  }
}

/** Places the frames of one SSRC on local time. */
export class TrackTimeline {
  readonly #sender: SenderTimeline;
  readonly #ratePerMs: number;
  readonly #reports: SenderClock;
  readonly #recent: ArrivalClock;
  readonly #best: ArrivalClock;
  /** Local time = media time + offset, as applied to the last placed frame. */
  #offset: number | undefined;
  #last: { rtp: number; local: number } | undefined;
  #stalledSince: number | undefined;
  #restarts = 0;
  #distrusted = false;

  constructor(sender: SenderTimeline, clockRate: number) {
    this.#sender = sender;
    this.#ratePerMs = clockRate / 1000;
    this.#reports = new SenderClock(clockRate);
    this.#recent = new ArrivalClock(clockRate);
    this.#best = new ArrivalClock(clockRate, OFFSET_WINDOW_MS);
  }

  /** Sender reports place this track exactly (false: arrival times do, approximately). */
  get synchronized(): boolean {
    return this.#reports.known && !this.#distrusted;
  }

  /** Times that the mapping had to start anew (timestamp jumps, sender stalls). */
  get restarts(): number {
    return this.#restarts;
  }

  /** Notes a sender report. `rtp` is unwrapped. */
  onReport(wall: WallMillis, rtp: number, arrival: Millis): void {
    if (this.#reports.push(wall, rtp)) this.#sender.onReport(wall, arrival);
  }

  /** Notes a media packet: its unwrapped timestamp and when it arrived. */
  onPacket(rtp: number, arrival: Millis): void {
    const offset = this.#recent.offset;
    // Media time ahead of arrival by this much is a jump of the timestamps, never the network.
    if (offset !== undefined && offset - (arrival - rtp / this.#ratePerMs) > RESTART_MS) this.restart();
    this.#recent.push(rtp, arrival);
    this.#best.push(rtp, arrival);
  }

  /**
   * Local time of a frame, strictly growing. The first frame takes the best mapping known; later ones move
   * towards a better one by at most 5 ms per second. `arrival`: when the frame's first packet came.
   */
  place(rtp: number, arrival: Millis): Millis {
    const media = rtp / this.#ratePerMs;
    this.#noticeStall(arrival);
    const target = this.#target(rtp, media, arrival) ?? arrival - media;
    if (this.#offset === undefined || this.#last === undefined) this.#offset = target;
    else this.#offset += this.#step(target - this.#offset, rtp - this.#last.rtp);
    const floor = this.#last === undefined ? Number.NEGATIVE_INFINITY : this.#last.local + 1;
    const local = Math.max(floor, media + this.#offset);
    this.#last = { rtp, local };
    return millis(local);
  }

  #target(rtp: number, media: number, arrival: Millis): number | undefined {
    const wall = this.#reports.wallAt(rtp);
    const shift = this.#sender.offset(arrival);
    this.#distrusted = false;
    if (wall === undefined || shift === undefined) return this.#recent.offset;
    const reported = wall + shift - media;
    // Compared with the best arrival in a long while: a queue on the path delays packets, not the sender.
    const arrived = this.#best.offset;
    this.#distrusted = arrived !== undefined && Math.abs(reported - arrived) > TRUST_MS;
    return this.#distrusted ? this.#recent.offset : reported;
  }

  #step(error: number, rtpStep: number): number {
    if (Math.abs(error) < IGNORE_MS) return 0;
    if (this.synchronized && error > STALL_MS) {
      // The sender's own reports say that its timestamps stood still for a while.
      this.#restarts++;
      return error;
    }
    const limit = (SLEW_MS_PER_S * Math.max(0, rtpStep / this.#ratePerMs)) / 1000;
    return Math.max(-limit, Math.min(limit, error));
  }

  /** Without reports: every packet comes late against the old mapping, for good. */
  #noticeStall(arrival: Millis): void {
    const recent = this.#recent.offset;
    if (
      this.synchronized ||
      this.#offset === undefined ||
      recent === undefined ||
      recent - this.#offset < STALL_MS
    ) {
      this.#stalledSince = undefined;
      return;
    }
    this.#stalledSince ??= arrival;
    if (arrival - this.#stalledSince >= STALL_FOR_MS) this.restart();
  }

  /** Forgets the mapping: the sender's clock started anew. */
  restart(): void {
    this.#restarts++;
    this.#reports.reset();
    this.#recent.reset();
    this.#best.reset();
    this.#offset = undefined;
    this.#stalledSince = undefined;
  }
}
