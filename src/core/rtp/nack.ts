import type { Machine } from "../machine.ts";
import { earliest } from "../machine.ts";
import { type Millis, millis } from "../time.ts";
import type { RttEstimator } from "./rtt.ts";

/** The first request waits this long, or until the packet is this far behind the newest: it may be overtaken only. */
const FIRST_DELAY_MS = 10;
const FIRST_DISTANCE = 3;
const MIN_RETRY_MS = 20;
const MAX_RETRY_MS = 400;
const BACKOFF = 1.25;
const MAX_TRIES = 10;
const MAX_GAP = 450;
const MAX_MISSING = 1000;
const DEFAULT_HOLD_MS = 1000;
/** Requests that fall due within this time share a packet. */
const COALESCE_MS = 5;

/** What the generator wants done. Numbers are extended sequence numbers in ascending order. */
export type NackOutput =
  /** Ask for these packets. */
  | { readonly type: "nack"; readonly seqs: readonly number[] }
  /** These will not come. */
  | { readonly type: "gave-up"; readonly seqs: readonly number[] }
  /** Too much is missing below `before`: nothing of it is asked for, a keyframe is needed. */
  | { readonly type: "overflow"; readonly before: number };

type Missing = { since: number; lastSent: number; tries: number };

/**
 * Decides which packets of one primary stream to ask for again, and when (RFC 4585 section 6.2). Fed with
 * every packet of the primary SSRC, padding included, and with what RTX restored.
 */
export class NackGenerator implements Machine<number, NackOutput> {
  readonly #rtt: RttEstimator;
  readonly #baseHold: number;
  /** In ascending order: numbers are only ever added at the end. */
  readonly #missing = new Map<number, Missing>();
  readonly #outputs: NackOutput[] = [];
  #newest: number | undefined;
  /** Lowest number never asked for (or below it): the distance rule looks at it. */
  #untried = Number.POSITIVE_INFINITY;
  /** Nothing below is asked for. */
  #floor = 0;
  #due: Millis | undefined;
  #scanned: Millis | undefined;

  /** `holdMs`: age at which a missing packet is worthless; stretched to 3 RTT + 100 ms on long paths. */
  constructor(o: { readonly rtt: RttEstimator; readonly holdMs?: number }) {
    this.#rtt = o.rtt;
    this.#baseHold = o.holdMs ?? DEFAULT_HOLD_MS;
  }

  /** Packets missing now. */
  get missing(): number {
    return this.#missing.size;
  }

  /** See `Machine`. */
  get deadline(): Millis | undefined {
    return this.#outputs.length > 0 ? millis(0) : this.#due;
  }

  /** A packet of the primary stream arrived. */
  push(extSeq: number, now: Millis): void {
    const newest = this.#newest;
    if (newest === undefined) this.#newest = extSeq;
    else if (extSeq > newest) this.#advance(newest, extSeq, now);
    else this.recovered(extSeq, now);
  }

  /** A missing packet came after all: as RTX, repeated, or overtaken. False: it was not missing. */
  recovered(extSeq: number, now: Millis): boolean {
    const m = this.#missing.get(extSeq);
    if (!m) return false;
    this.#missing.delete(extSeq);
    if (this.#missing.size === 0) this.#settle();
    if (m.tries === 1) this.#rtt.onRepair(now - m.lastSent, now);
    return true;
  }

  /** True while the packet is waited for. An RTX packet that restores any other is of no use. */
  isMissing(extSeq: number): boolean {
    return this.#missing.has(extSeq);
  }

  /** Stops asking for everything below: it is written, given up, or older than the newest keyframe. */
  abandonBefore(extSeq: number): void {
    if (extSeq > this.#floor) this.#floor = extSeq;
    for (const seq of this.#missing.keys()) {
      if (seq >= extSeq) break;
      this.#missing.delete(seq);
    }
    if (this.#missing.size === 0) this.#settle();
  }

  /**
   * The event loop stood still: what is missing may be waiting in the socket, so all clocks stop for that
   * time.
   */
  onStall(lagMs: number): void {
    for (const m of this.#missing.values()) {
      m.since += lagMs;
      m.lastSent += lagMs;
    }
    if (this.#due !== undefined) this.#due = millis(this.#due + lagMs);
  }

  /** Starts over, for a new epoch of the stream. */
  reset(): void {
    this.#missing.clear();
    this.#settle();
    this.#newest = undefined;
    this.#floor = 0;
  }

  poll(now: Millis): NackOutput | undefined {
    if (this.#due !== undefined && now >= this.#due) this.#scan(now);
    return this.#outputs.shift();
  }

  #advance(newest: number, extSeq: number, now: Millis): void {
    this.#newest = extSeq;
    const from = Math.max(newest + 1, this.#floor);
    const gap = extSeq - from;
    if (gap > MAX_GAP || this.#missing.size + Math.max(0, gap) > MAX_MISSING) {
      this.#missing.clear();
      this.#settle();
      this.#outputs.push({ type: "overflow", before: extSeq });
      return;
    }
    if (gap > 0) {
      for (let seq = from; seq < extSeq; seq++) {
        this.#missing.set(seq, { since: now, lastSent: now, tries: 0 });
      }
      if (from < this.#untried) this.#untried = from;
      this.#due = earliest(this.#due, millis(now + FIRST_DELAY_MS));
    }
    if (extSeq - this.#untried >= FIRST_DISTANCE) this.#due = earliest(this.#due, this.#notBefore(now));
  }

  #scan(now: Millis): void {
    const rtt = this.#rtt.ms;
    const hold = Math.max(this.#baseHold, 3 * rtt + 100);
    const newest = this.#newest ?? 0;
    const ask: number[] = [];
    const gaveUp: number[] = [];
    let next = Number.POSITIVE_INFINITY;
    this.#untried = Number.POSITIVE_INFINITY;
    for (const [seq, m] of this.#missing) {
      let due = m.since + FIRST_DELAY_MS;
      if (m.tries > 0) due = m.lastSent + retryDelay(rtt, m.tries);
      else if (newest - seq >= FIRST_DISTANCE) due = now;
      const expired = now >= m.since + hold;
      if (expired || (now >= due && m.tries >= MAX_TRIES)) {
        this.#missing.delete(seq);
        gaveUp.push(seq);
        continue;
      }
      if (now >= due) {
        ask.push(seq);
        m.tries++;
        m.lastSent = now;
        due = now + retryDelay(rtt, m.tries);
      } else if (m.tries === 0 && seq < this.#untried) this.#untried = seq;
      next = Math.min(next, due, m.since + hold);
    }
    this.#scanned = now;
    this.#due = next === Number.POSITIVE_INFINITY ? undefined : this.#notBefore(millis(next));
    if (gaveUp.length > 0) this.#outputs.push({ type: "gave-up", seqs: gaveUp });
    if (ask.length > 0) this.#outputs.push({ type: "nack", seqs: ask });
  }

  /** `at`, or a little later so that requests are sent together. */
  #notBefore(at: Millis): Millis {
    const free = (this.#scanned ?? Number.NEGATIVE_INFINITY) + COALESCE_MS;
    return at < free ? millis(free) : at;
  }

  /** Nothing is missing: no clock runs. */
  #settle(): void {
    this.#untried = Number.POSITIVE_INFINITY;
    this.#due = undefined;
  }
}

function retryDelay(rttMs: number, tries: number): number {
  return Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, rttMs * BACKOFF ** (tries - 1)));
}
