import { type Millis, millis } from "../../time.ts";

/** Media leaves at this multiple of its average rate: a frame then takes about 0.4 frame intervals. */
const PACE_FACTOR = 2.5;
/** Nothing waits longer than this: the rate rises until the queue drains in time. */
const MAX_QUEUE_MS = 500;
/** Credit that a late timer may catch up on. */
const MAX_CREDIT_MS = 20;
/** Timers below this granularity only burn CPU. */
const TICK_MS = 1;
const MIN_TARGET_BPS = 300_000;
/** Octets of debt that count as none: a timer at the exact deadline must not miss it by rounding. */
const ROUNDING = 1;

/** What a packet is to the pacer. Audio never waits; repeats go before new video. */
export type Lane = "audio" | "rtx" | "video";

type Queue<T> = { items: { item: T; size: number }[]; head: number };

/**
 * Spreads packets over time with a token bucket, so that a keyframe never leaves as one burst that overflows
 * a socket buffer or a switch queue on its way. Nothing is dropped: sequence numbers are already given.
 */
export class Pacer<T> {
  readonly #audio: Queue<T> = { items: [], head: 0 };
  readonly #rtx: Queue<T> = { items: [], head: 0 };
  readonly #video: Queue<T> = { items: [], head: 0 };
  #target: number;
  /** Octets that may be sent; negative after a packet that was larger than the credit. */
  #credit = 0;
  #refilled: Millis | undefined;
  #queued = 0;
  /** Octets per millisecond needed to keep the queue below `MAX_QUEUE_MS`. */
  #urgency = 0;

  /** `targetBps`: average rate of the paced media in bits per second. */
  constructor(targetBps: number) {
    this.#target = Math.max(MIN_TARGET_BPS, targetBps);
  }

  /** Average rate of the paced media in bits per second. */
  get target(): number {
    return this.#target;
  }
  set target(bps: number) {
    this.#target = Math.max(MIN_TARGET_BPS, bps);
  }

  /** Octets waiting in the paced lanes. */
  get queued(): number {
    return this.#queued;
  }

  /** Adds a packet of `size` octets to the end of its lane. */
  push(item: T, size: number, lane: Lane, now: Millis): void {
    if (lane === "audio") {
      this.#audio.items.push({ item, size });
      return;
    }
    // Credit does not pile up while idle: only the debt of the last packet counts.
    if (this.#queued === 0) {
      this.#refill(now);
      this.#credit = Math.min(0, this.#credit);
    }
    (lane === "rtx" ? this.#rtx : this.#video).items.push({ item, size });
    this.#queued += size;
    this.#urgency = Math.max(this.#urgency, this.#queued / MAX_QUEUE_MS);
  }

  /** Next packet that may leave now, or undefined. */
  poll(now: Millis): T | undefined {
    const audio = take(this.#audio);
    if (audio) return audio.item;
    if (this.#queued === 0) return undefined;
    this.#refill(now);
    if (this.#credit < -ROUNDING) return undefined;
    const next = take(this.#rtx) ?? take(this.#video);
    if (!next) return undefined;
    this.#credit -= next.size;
    this.#queued -= next.size;
    if (this.#queued === 0) this.#urgency = 0;
    return next.item;
  }

  /** When `poll` gives the next packet; undefined: nothing waits. */
  get deadline(): Millis | undefined {
    const at = this.#refilled ?? millis(0);
    if (this.#audio.items.length > this.#audio.head) return at;
    if (this.#queued === 0) return undefined;
    if (this.#credit >= -ROUNDING) return at;
    return millis(at + Math.max(TICK_MS, -this.#credit / this.#rate()));
  }

  /** Forgets everything that waits. */
  clear(): void {
    for (const q of [this.#audio, this.#rtx, this.#video]) {
      q.items = [];
      q.head = 0;
    }
    this.#queued = 0;
    this.#urgency = 0;
  }

  #rate(): number {
    return Math.max((PACE_FACTOR * this.#target) / 8000, this.#urgency);
  }

  #refill(now: Millis): void {
    const elapsed = this.#refilled === undefined ? 0 : now - this.#refilled;
    if (this.#refilled === undefined || elapsed > 0) this.#refilled = now;
    const rate = this.#rate();
    this.#credit = Math.min(this.#credit + Math.max(0, elapsed) * rate, MAX_CREDIT_MS * rate);
  }
}

function take<T>(q: Queue<T>): { item: T; size: number } | undefined {
  const next = q.items[q.head];
  if (!next) return undefined;
  q.head++;
  // Compaction in halves keeps this O(1) on average.
  if (q.head === q.items.length) {
    q.items = [];
    q.head = 0;
  } else if (q.head > 64 && q.head * 2 > q.items.length) {
    q.items = q.items.slice(q.head);
    q.head = 0;
  }
  return next;
}
