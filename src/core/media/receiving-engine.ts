import type { NegotiatedMedia } from "../sdp/negotiated.ts";
import { type Millis, millis } from "../time.ts";
import type { ConnectionReceiver } from "./connection-receiver.ts";
import type { PlacedDigit, PlacedFrame } from "./received-track.ts";

/** Ticks stand at fixed multiples of this on the session's clock. */
export const TICK_MS = 100;
/** Frames of one millisecond come out together, with the next packet or after this time. */
const PATIENCE_MS = 100;

/** Where the outputs of an engine go. Nothing may be pushed into the engine from inside them. */
export type ReceivingEngineOptions = {
  readonly onFrame: (link: string, mid: string, frame: PlacedFrame) => void;
  /** A key of a telephone was pressed. */
  readonly onDigit?: (link: string, mid: string, digit: PlacedDigit) => void;
  /** RTCP for the other side of a link. `now`: when it was due. */
  readonly onRtcp: (link: string, data: Uint8Array, now: Millis) => void;
  /** A multiple of `TICK_MS` has passed, and everything up to it has come out. Absent: no ticks. */
  readonly onTick?: (at: Millis) => void;
};

type EngineLink = {
  readonly id: string;
  /** Order of opening. */
  readonly number: number;
  readonly receiver: ConnectionReceiver;
  ranAt: number;
  due: number;
};

type Emitted = { readonly link: EngineLink; readonly mid: string; readonly frame: PlacedFrame };

/**
 * The receivers of a session's links under one clock. What comes out is a function of what went in and at which
 * times, never of when somebody looked: everything due is run at its own time and in the order of times, before
 * anything later goes in, so the same inputs give the same outputs live and in a replay. Times are whole
 * milliseconds since the session's start and never go back. Links share nothing; their frames of the same
 * millisecond come out in the order in which the links were opened.
 */
export class ReceivingEngine {
  readonly #o: ReceivingEngineOptions;
  readonly #links = new Map<string, EngineLink>();
  #opened = 0;
  #now = Number.NEGATIVE_INFINITY;
  /** No link is due before; may be too early, never too late. */
  #due = Number.POSITIVE_INFINITY;
  #nextTick: number;
  #batch: Emitted[] = [];
  #batchAt = 0;

  constructor(o: ReceivingEngineOptions) {
    this.#o = o;
    this.#nextTick = o.onTick ? TICK_MS : Number.POSITIVE_INFINITY;
  }

  /** When `advance` has something to do; undefined: not before the next input. */
  get deadline(): Millis | undefined {
    const batch = this.#batch.length > 0 ? this.#batchAt + PATIENCE_MS : Number.POSITIVE_INFINITY;
    const due = Math.min(this.#due, this.#nextTick + 1, batch);
    return due === Number.POSITIVE_INFINITY ? undefined : millis(due);
  }

  /** The receiver of a link; undefined: it is not open. */
  receiver(link: string): ConnectionReceiver | undefined {
    return this.#links.get(link)?.receiver;
  }

  /** A link begins; its receiver is the engine's from now on. */
  open(link: string, receiver: ConnectionReceiver, now: Millis): void {
    this.settle(now);
    this.#links.set(link, {
      id: link,
      number: this.#opened++,
      receiver,
      ranAt: this.#now,
      due: Number.POSITIVE_INFINITY,
    });
  }

  /** What was agreed on a link. */
  configure(link: string, media: readonly NegotiatedMedia[], now: Millis): void {
    const l = this.#links.get(link);
    if (!l) return;
    this.settle(now);
    l.receiver.configure(media);
    this.#drain(l, this.#now);
  }

  /** One datagram of a link, RTP or RTCP. The memory is the receiver's from now on. */
  packet(link: string, bytes: Uint8Array, now: Millis): void {
    const l = this.#links.get(link);
    if (!l) return;
    this.advance(now);
    l.receiver.push(bytes, millis(this.#now));
    this.#drain(l, this.#now);
  }

  /**
   * The event loop stood still for `lagMs` until `now`. Comes before anything else of that time: what fell due
   * meanwhile waits for what was not read yet.
   */
  stall(lagMs: number, now: Millis): void {
    this.settle(millis(now - lagMs));
    for (const l of this.#links.values()) {
      l.receiver.onStall(lagMs, now);
      this.#follow(l);
    }
  }

  /** Asks for a keyframe of a link's m-line; it goes out with what the link sends next. */
  requestKeyframe(link: string, mid: string): void {
    const l = this.#links.get(link);
    if (!l) return;
    l.receiver.requestKeyframe(mid, millis(this.#now));
    this.#follow(l);
  }

  /** A link ends: hands out what it still holds. */
  close(link: string, now: Millis): void {
    const l = this.#links.get(link);
    if (!l) return;
    this.settle(now);
    l.receiver.flush(millis(this.#now));
    this.#drain(l, this.#now);
    this.#handOut();
    this.#links.delete(link);
  }

  /** Hands out everything up to `now`, its own millisecond included: what the caller does next comes after that. */
  settle(now: Millis): void {
    this.advance(now);
    this.#handOut();
  }

  /** Runs what is due up to `now`. */
  advance(now: Millis): void {
    for (;;) {
      if (this.#due <= now && this.#due <= this.#nextTick) this.#runLinks();
      else if (this.#nextTick < now) this.#tick();
      else break;
    }
    if (now > this.#batchAt) this.#handOut();
    this.#now = Math.max(this.#now, now);
  }

  /** Runs the links that are due first. */
  #runLinks(): void {
    const at = this.#due;
    this.#due = Number.POSITIVE_INFINITY;
    for (const l of this.#links.values()) {
      if (l.due <= at) this.#drain(l, at);
      else this.#due = Math.min(this.#due, l.due);
    }
  }

  #tick(): void {
    const at = this.#nextTick;
    this.#nextTick += TICK_MS;
    this.#handOut();
    this.#o.onTick?.(millis(at));
  }

  #drain(l: EngineLink, at: number): void {
    const now = millis(at);
    for (let out = l.receiver.poll(now); out !== undefined; out = l.receiver.poll(now)) {
      if (out.t === "rtcp") this.#o.onRtcp(l.id, out.data, now);
      else if (out.t === "digit") this.#o.onDigit?.(l.id, out.mid, out.digit);
      else {
        if (at !== this.#batchAt) this.#handOut();
        this.#batchAt = at;
        this.#batch.push({ link: l, mid: out.mid, frame: out.frame });
      }
    }
    l.ranAt = at;
    this.#follow(l);
  }

  /** A link that is due again at once has nothing to show for it: it gets one run a millisecond. */
  #follow(l: EngineLink): void {
    const { deadline } = l.receiver;
    l.due = deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(Math.ceil(deadline), l.ranAt + 1);
    this.#due = Math.min(this.#due, l.due);
  }

  #handOut(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    const first = batch[0]?.link;
    if (batch.some((e) => e.link !== first)) batch.sort((a, b) => a.link.number - b.link.number);
    for (const { link, mid, frame } of batch) this.#o.onFrame(link.id, mid, frame);
  }
}
