import { SeqUnwrapper } from "../serial.ts";
import { type Millis, millis } from "../time.ts";
import { ArrivalStall } from "./arrival-stall.ts";
import { buildTransportFeedback } from "./rtcp/twcc-build.ts";

/** Arrivals remembered: 1.6 s at 5000 packets per second. */
const RING = 8192;
/** A packet overtaken by up to this many is still reported, by going back. */
const MAX_BACK = 1000;
const DEFAULT_INTERVAL_MS = 50;
/** Room for chunks and deltas in one feedback packet, in octets. */
const BUDGET = 1120;
/** A packet that follows the one before, and one behind a hole: delta and chunks at most. */
const COST_NEXT = 3;
const COST_AFTER_HOLE = 6;
/** The field of the packet count is 16 bits; a longer hole is not spelled out. */
const MAX_COUNT = 0x7fff;
const TICKS_PER_MS = 4;
const REFERENCE_TICKS = 64 * TICKS_PER_MS;

/**
 * Transport-wide feedback of one connection (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each
 * packet arrived, every `intervalMs` while packets arrive. Driven like a `Machine`; its output are RTCP
 * packets, each fit for one datagram.
 */
export class TransportFeedbackGenerator {
  readonly #sender: number;
  readonly #interval: number;
  readonly #unwrapper = new SeqUnwrapper();
  readonly #stall = new ArrivalStall();
  /** Arrival in milliseconds by extended number modulo the ring; NaN: not received. */
  readonly #arrival = new Float64Array(RING).fill(Number.NaN);
  #media = 0;
  /** Next number to report, newest number received. */
  #next = 0;
  #newest = -1;
  /** What would follow a packet that is out of place. */
  #stray = -1;
  #feedbackCount = 0;
  #due: Millis | undefined;
  #closing = false;

  /** `sender`: our SSRC. `intervalMs`: 50 to 100. */
  constructor(o: { readonly sender: number; readonly intervalMs?: number }) {
    this.#sender = o.sender;
    this.#interval = o.intervalMs ?? DEFAULT_INTERVAL_MS;
  }

  /** See `Machine`. */
  get deadline(): Millis | undefined {
    return this.#due;
  }

  /**
   * A packet with 16-bit transport-wide number `seq` arrived on SSRC `media` at `now`, the time stamped first
   * thing when it was read.
   */
  push(seq: number, media: number, now: Millis): void {
    this.#media = media;
    let ext = this.#unwrapper.unwrap(seq);
    const ahead = ext - this.#newest;
    if (this.#newest < 0 || ahead >= RING - MAX_BACK || (ahead <= -MAX_BACK && ext === this.#stray)) {
      ext = this.#restart(seq);
    } else if (ahead > 0) {
      for (let k = this.#newest + 1; k < ext; k++) this.#arrival[k % RING] = Number.NaN;
      this.#newest = ext;
      this.#next = Math.max(this.#next, ext - (RING - MAX_BACK) + 1);
    } else if (ahead <= -MAX_BACK) {
      // Far too late, or the counter started afresh: the next packet tells.
      this.#stray = ext + 1;
      return;
    } else if (Number.isNaN(this.#arrival[ext % RING])) this.#next = Math.min(this.#next, ext);
    else return;
    this.#arrival[ext % RING] = now;
    this.#due ??= millis(now + this.#interval);
  }

  /** The event loop stood still: what was read since then is reported as spread evenly over that time. */
  onStall(lagMs: number, now: Millis): void {
    this.#stall.onStall(lagMs, now);
  }

  poll(now: Millis): Uint8Array | undefined {
    if (this.#due === undefined || now < this.#due) return undefined;
    if (!this.#closing) this.#spreadStall();
    this.#closing = this.#next <= this.#newest;
    if (this.#closing) return this.#feedback();
    this.#due = undefined;
    return undefined;
  }

  /** The first packet, or a counter that moved elsewhere: nothing in between is known. */
  #restart(seq: number): number {
    this.#arrival.fill(Number.NaN);
    this.#unwrapper.reset();
    const ext = this.#unwrapper.unwrap(seq);
    this.#next = ext;
    this.#newest = ext;
    this.#stray = -1;
    return ext;
  }

  #feedback(): Uint8Array {
    const baseSeq = this.#next & 0xffff;
    const deltas: (number | undefined)[] = [];
    let reference = 0;
    let last: number | undefined;
    let hole = 0;
    let room = BUDGET;
    for (let k = this.#next; k <= this.#newest; k++) {
      const at = this.#arrival[k % RING] ?? Number.NaN;
      if (Number.isNaN(at)) {
        hole++;
        continue;
      }
      const tick = Math.round(at * TICKS_PER_MS);
      if (last === undefined) {
        reference = Math.floor(tick / REFERENCE_TICKS);
        last = reference * REFERENCE_TICKS;
      }
      const delta = tick - last;
      room -= hole > 0 ? COST_AFTER_HOLE : COST_NEXT;
      const fits = room >= 0 && delta >= -0x8000 && delta <= 0x7fff && deltas.length + hole < MAX_COUNT;
      if (!fits) break;
      for (; hole > 0; hole--) deltas.push(undefined);
      deltas.push(delta);
      last = tick;
    }
    this.#next += deltas.length;
    const feedbackCount = this.#feedbackCount;
    this.#feedbackCount = (feedbackCount + 1) & 0xff;
    return buildTransportFeedback({
      sender: this.#sender,
      media: this.#media,
      baseSeq,
      feedbackCount,
      referenceTime: reference,
      deltas,
    });
  }

  /**
   * Packets read after a stall arrived sometime during it. Leaving them out would count them as lost, and
   * their burst would look like a queue that grows.
   */
  #spreadStall(): void {
    const waiting: number[] = [];
    for (let k = this.#next; k <= this.#newest; k++) {
      if (this.#stall.covers(this.#arrival[k % RING] ?? Number.NaN)) waiting.push(k);
    }
    const { from, until } = this.#stall;
    for (const [i, k] of waiting.entries()) {
      this.#arrival[k % RING] = from + ((i + 1) * (until - from)) / waiting.length;
    }
  }
}
