import { type Millis, millis } from "../time.ts";
import { DelayTrend } from "./delay-trend.ts";
import { ByteWindow } from "./send/byte-window.ts";

const INTERVAL_MS = 500;
/** The estimate after an overload, as a share of what came through. */
const BACK_OFF = 0.85;
/** Cuts are spaced so that the effect of one is seen before the next. */
const MIN_CUT_SPACING_MS = 500;
/** Growth per second far from, and near to, the rate at which the path was full. */
const FAST_GROWTH = 0.08;
const SLOW_GROWTH = 0.03;
const NEAR = 1.1;
const KNEE_LIFETIME_MS = 30_000;
/** Loss above this cuts the estimate, below the second it may grow. */
const HIGH_LOSS = 0.1;
const LOW_LOSS = 0.02;
/** A loss figure holds growth back this long. */
const LOSS_LIFETIME_MS = 2000;
/** Without a send time for this long, loss alone says when to grow. */
const DELAY_LIFETIME_MS = 2000;
/** The rate is measured over one second; right after the start over what there is of it. */
const RATE_WINDOW_MS = 1000;
const MIN_RATE_SPAN_MS = 200;

/** What a `RembController` keeps to. */
export type RembOptions = {
  /** Highest and lowest bitrate to state, bits per second. */
  readonly ceilingBps: number;
  readonly floorBps: number;
  /** Transport-wide feedback is negotiated: the sender estimates, and the ceiling is all we say. */
  readonly transportWide: boolean;
};

/**
 * Decides the bitrate that REMB states to one sender. A constant would make it ignore delay and fill a narrow
 * path until packets drop, so where the sender gets no transport-wide feedback the estimate follows the path:
 * down to a share of what came through when the queue grows or loss passes 10 %, slowly up otherwise.
 */
export class RembController {
  readonly #o: RembOptions;
  readonly #trend = new DelayTrend();
  readonly #bytes = new ByteWindow();
  #estimate: number;
  #firstAt: Millis | undefined;
  #grownAt: Millis | undefined;
  #cutAt: Millis | undefined;
  /** What came through when the path was last full. */
  #knee = 0;
  #lossAt: Millis | undefined;
  #delayAt: Millis | undefined;
  #due: Millis | undefined;
  #stated: Millis | undefined;

  constructor(o: RembOptions) {
    this.#o = o;
    this.#estimate = o.ceilingBps;
  }

  /** Bits per second. */
  get estimateBps(): number {
    return this.#estimate;
  }

  /** When `poll` has something to state. */
  get deadline(): Millis | undefined {
    return this.#due;
  }

  /**
   * A packet of `octets` arrived that was sent at `sendMs` (any origin; from abs-send-time, or from the RTP
   * timestamp of its frame); undefined: not known.
   */
  push(octets: number, sendMs: number | undefined, arrival: Millis): void {
    this.#due ??=
      this.#stated === undefined ? arrival : millis(Math.max(arrival, this.#stated + INTERVAL_MS));
    if (this.#o.transportWide) return;
    this.#firstAt ??= arrival;
    this.#bytes.add(octets, arrival);
    if (sendMs === undefined) return;
    this.#delayAt = arrival;
    const load = this.#trend.push(sendMs, arrival);
    if (load === "over") this.#cut(BACK_OFF * this.#rate(arrival), arrival);
    else if (load === "clear") this.#grow(arrival);
    else if (load === "hold") this.#grownAt = arrival;
  }

  /** Share of packets lost since the last report, 0..1. */
  onLoss(fraction: number, now: Millis): void {
    if (this.#o.transportWide) return;
    if (fraction <= LOW_LOSS) {
      // Where send times are known, the delay decides.
      if (this.#delayAt === undefined || now - this.#delayAt > DELAY_LIFETIME_MS) this.#grow(now);
      return;
    }
    this.#lossAt = now;
    if (fraction <= HIGH_LOSS) return;
    // What was sent, not what arrived: half of the loss is taken off it.
    const sent = this.#rate(now) / Math.max(0.1, 1 - fraction);
    this.#cut(Math.min(this.#estimate, sent) * (1 - fraction / 2), now);
  }

  /** The event loop stood still until `now`. */
  onStall(lagMs: number, now: Millis): void {
    this.#trend.onStall(lagMs, now);
  }

  /** The bitrate to state now: every 500 ms while packets arrive, and at once after a cut. */
  poll(now: Millis): number | undefined {
    if (this.#due === undefined || now < this.#due) return undefined;
    this.#due = undefined;
    this.#stated = now;
    return Math.round(this.#estimate);
  }

  #cut(target: number, now: Millis): void {
    if (this.#cutAt !== undefined && now - this.#cutAt < MIN_CUT_SPACING_MS) return;
    const rate = this.#rate(now);
    // Nothing is known of the path yet.
    if (rate === 0) return;
    this.#cutAt = now;
    this.#grownAt = now;
    this.#knee = rate;
    const lower = Math.max(this.#o.floorBps, Math.min(this.#estimate, target));
    if (lower < this.#estimate) this.#due = now;
    this.#estimate = lower;
  }

  #grow(now: Millis): void {
    const since = Math.min(1000, now - (this.#grownAt ?? now));
    this.#grownAt = now;
    if (this.#lossAt !== undefined && now - this.#lossAt < LOSS_LIFETIME_MS) return;
    const remembered = this.#cutAt !== undefined && now - this.#cutAt < KNEE_LIFETIME_MS;
    const near = remembered && this.#estimate < NEAR * this.#knee;
    const factor = 1 + ((near ? SLOW_GROWTH : FAST_GROWTH) * since) / 1000;
    this.#estimate = Math.min(this.#o.ceilingBps, this.#estimate * factor);
  }

  /** What arrives, bits per second; 0 while that is not known. */
  #rate(now: Millis): number {
    const span = Math.min(RATE_WINDOW_MS, now - (this.#firstAt ?? now));
    return span < MIN_RATE_SPAN_MS ? 0 : (this.#bytes.total(now) * 8000) / span;
  }
}
