import { seqDiff } from "../../serial.ts";
import { type Millis, millis } from "../../time.ts";
import type { TransportFeedback } from "../rtcp/packet.ts";

/** Packets whose fate is remembered: 4 s at 2000 packets/s. */
const RING = 8192;
const RTT_GAIN = 0.25;

const PENDING = 0;
const ARRIVED = 1;
const LOST = 2;

/**
 * Transport-wide sequence numbers of one connection (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * section 2): one counter over all its streams, and what the feedback says about loss and delay.
 */
export class TransportCcSender {
  readonly #sentAt = new Float64Array(RING);
  readonly #fate = new Uint8Array(RING);
  #next: number;
  #sent = 0;
  #arrived = 0;
  #lost = 0;
  #rttMs: number | undefined;

  /** `first`: the first number, 0..65535. */
  constructor(first = 0) {
    this.#next = first & 0xffff;
  }

  /** Packets that got a number. */
  get sent(): number {
    return this.#sent;
  }

  /** Packets that the other side says arrived. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Packets that the other side says did not arrive (so far). */
  get lost(): number {
    return this.#lost;
  }

  /** Smoothed time from sending a packet to its feedback, the wait for the next report included; milliseconds. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** The number of a packet that leaves now. */
  stamp(now: Millis): number {
    const seq = this.#next;
    this.#next = (seq + 1) & 0xffff;
    this.#sent++;
    this.#sentAt[seq % RING] = now;
    this.#fate[seq % RING] = PENDING;
    return seq;
  }

  /** Takes in one feedback packet. Numbers that were never given, or long ago, are ignored. */
  onFeedback(f: TransportFeedback, now: Millis): void {
    let newest: Millis | undefined;
    let i = 0;
    for (let k = 0; k < f.count; k++) {
      const seq = (f.baseSeq + k) & 0xffff;
      const here = f.arrivals[i]?.seq === seq;
      if (here) i++;
      const age = seqDiff(this.#next, seq);
      if (age <= 0 || age > Math.min(RING, this.#sent)) continue;
      if (this.#settle(seq % RING, here)) newest = millis(this.#sentAt[seq % RING] ?? now);
    }
    if (newest === undefined) return;
    const sample = now - newest;
    this.#rttMs = this.#rttMs === undefined ? sample : this.#rttMs + (sample - this.#rttMs) * RTT_GAIN;
  }

  /** Notes the fate of a packet. True when it newly arrived. A later report may find a lost packet again. */
  #settle(slot: number, here: boolean): boolean {
    const before = this.#fate[slot];
    if (here && before !== ARRIVED) {
      if (before === LOST) this.#lost--;
      this.#arrived++;
      this.#fate[slot] = ARRIVED;
      return before === PENDING;
    }
    if (!here && before === PENDING) {
      this.#lost++;
      this.#fate[slot] = LOST;
    }
    return false;
  }
}
