import { tsDiff } from "../serial.ts";
import { type Millis, type Ntp, ntpMid32 } from "../time.ts";
import type { ReportBlock } from "./rtcp/packet.ts";
import { SequenceTracker } from "./sequence.ts";

const MAX_LOST = 0x7fffff;
const MIN_LOST = -0x800000;
/** Steps of transit time longer than this are a new clock, not jitter. */
const MAX_TRANSIT_STEP_S = 5;

/** Reception statistics of one SSRC (RFC 3550 section 6.4.1 and appendix A). Packets restored by RTX stay out. */
export class Reception {
  readonly ssrc: number;
  readonly #clockRate: number;
  readonly #sequence: SequenceTracker;
  /** Of this epoch; duplicates count (appendix A.3). */
  #received = 0;
  #epoch = 0;
  #earlierReceived = 0;
  #earlierExpected = 0;
  #expectedPrior = 0;
  #receivedPrior = 0;
  #jitter = 0;
  #lastTs = 0;
  #lastArrival: Millis | undefined;
  #lastSr = 0;
  #lastSrAt: Millis | undefined;

  /** `clockRate` of the stream in Hz. */
  constructor(ssrc: number, clockRate: number) {
    this.ssrc = ssrc;
    this.#clockRate = clockRate;
    this.#sequence = new SequenceTracker(clockRate);
  }

  /** Restarts of the sender's numbers so far; see `SequenceTracker`. */
  get epoch(): number {
    return this.#sequence.epoch;
  }

  /** Packets received over all epochs, duplicates included. */
  get received(): number {
    return this.#earlierReceived + this.#received;
  }

  /** Packets lost over all epochs; negative with duplicates. */
  get lost(): number {
    return this.#earlierExpected + this.#sequence.expected - this.received;
  }

  /** Interarrival jitter in milliseconds. */
  get jitterMs(): number {
    return (this.#jitter * 1000) / this.#clockRate;
  }

  /** Counts a packet and gives its extended sequence number; undefined: drop it (see `SequenceTracker`). */
  push(seq: number, timestamp: number, arrival: Millis): number | undefined {
    const newest = this.#sequence.newest;
    const expected = this.#sequence.expected;
    const ext = this.#sequence.accept(seq, timestamp);
    if (ext === undefined) return undefined;
    if (this.#sequence.epoch !== this.#epoch) this.#restart(expected);
    this.#received++;
    if (newest === undefined || ext > newest) this.#transit(timestamp, arrival);
    return ext;
  }

  /**
   * Extended sequence number of a packet that RTX restored: it does not count as received, so that reports
   * keep telling the sender what the network loses. undefined before the first packet.
   */
  locate(seq: number): number | undefined {
    return this.#sequence.locate(seq);
  }

  /** A sender report of this SSRC arrived. A copy of the last one does not move the clock. */
  onSenderReport(ntp: Ntp, arrival: Millis): void {
    const mid = ntpMid32(ntp);
    if (mid === this.#lastSr && this.#lastSrAt !== undefined) return;
    this.#lastSr = mid;
    this.#lastSrAt = arrival;
  }

  /** The block for a report sent now. Ends the interval that the fraction lost speaks of. */
  report(now: Millis): ReportBlock {
    const block = this.peek(now);
    this.#expectedPrior = this.#sequence.expected;
    this.#receivedPrior = this.#received;
    return block;
  }

  /** The same for a report between the regular ones: the interval goes on. */
  peek(now: Millis): ReportBlock {
    const expected = this.#sequence.expected;
    const interval = expected - this.#expectedPrior;
    const lost = interval - (this.#received - this.#receivedPrior);
    const since = this.#lastSrAt === undefined ? 0 : Math.round(((now - this.#lastSrAt) * 65536) / 1000);
    return {
      ssrc: this.ssrc,
      fractionLost: interval <= 0 || lost <= 0 ? 0 : Math.min(255, Math.floor((lost * 256) / interval)),
      cumulativeLost: Math.min(MAX_LOST, Math.max(MIN_LOST, expected - this.#received)),
      highestSeq: this.#sequence.reported,
      jitter: Math.floor(this.#jitter),
      lastSr: this.#lastSr,
      delaySinceLastSr: since >>> 0,
    };
  }

  /**
   * Appendix A.8, in order of sending and once per timestamp: packets of one frame leave in a burst, which
   * says nothing about the network.
   */
  #transit(timestamp: number, arrival: Millis): void {
    const step = tsDiff(timestamp, this.#lastTs);
    if (this.#lastArrival !== undefined) {
      if (step === 0) return;
      const d = Math.abs(((arrival - this.#lastArrival) * this.#clockRate) / 1000 - step);
      if (d < MAX_TRANSIT_STEP_S * this.#clockRate) this.#jitter += (d - this.#jitter) / 16;
    }
    this.#lastTs = timestamp;
    this.#lastArrival = arrival;
  }

  #restart(expected: number): void {
    this.#epoch = this.#sequence.epoch;
    this.#earlierExpected += expected;
    this.#earlierReceived += this.#received;
    this.#received = 0;
    this.#expectedPrior = 0;
    this.#receivedPrior = 0;
    this.#lastArrival = undefined;
  }
}
