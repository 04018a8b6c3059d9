import type { Machine } from "./machine.ts";
import type { Random } from "./random.ts";
import { type Millis, millis } from "./time.ts";

/** What a network does to datagrams. All probabilities are per packet. */
export type NetworkProfile = {
  /** One-way delay in milliseconds, and up to how much more, uniformly. Jitter alone keeps the order. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Gilbert-Elliott loss: two states, each with its own loss rate. */
  readonly loss: {
    readonly good: number;
    readonly bad: number;
    readonly toBad: number;
    readonly toGood: number;
  };
  /** A reordered packet is held back by up to `byMs` and overtaken. */
  readonly reorder: { readonly probability: number; readonly byMs: number };
  readonly duplicate: number;
  /** A bottleneck of this many bits per second with a drop-tail queue of `queueBytes`. */
  readonly rate?: { readonly bps: number; readonly queueBytes: number };
};

/** A network that delivers everything at once. */
export const perfectNetwork: NetworkProfile = {
  latencyMs: 0,
  jitterMs: 0,
  loss: { good: 0, bad: 0, toBad: 0, toGood: 1 },
  reorder: { probability: 0, byMs: 0 },
  duplicate: 0,
};

/** A datagram on its way: what it carries and its size on the wire. */
export type Datagram<T> = { readonly item: T; readonly bytes: number };

/**
 * One direction of a network, seeded and sans-IO: datagrams go in, the survivors come out in order of their
 * arrival. The same seed and the same pushes give the same network.
 */
export class Netem<T> implements Machine<Datagram<T>, T> {
  readonly #p: NetworkProfile;
  readonly #random: Random;
  /** In flight, ascending by arrival. */
  readonly #queue: { readonly at: number; readonly item: T }[] = [];
  #bad = false;
  /** When the bottleneck has sent all it holds. */
  #linkFree = 0;
  #lastInOrder = 0;
  #dropped = 0;

  constructor(profile: NetworkProfile, random: Random) {
    this.#p = profile;
    this.#random = random;
  }

  /** Datagrams lost so far, by chance or in a full queue. */
  get dropped(): number {
    return this.#dropped;
  }

  get deadline(): Millis | undefined {
    const first = this.#queue[0];
    return first && millis(first.at);
  }

  push(d: Datagram<T>, now: Millis): void {
    const p = this.#p;
    const { loss } = p;
    if (this.#random() < (this.#bad ? loss.toGood : loss.toBad)) this.#bad = !this.#bad;
    const lost = this.#random() < (this.#bad ? loss.bad : loss.good);
    const sent = lost ? undefined : this.#passBottleneck(d.bytes, now);
    if (sent === undefined) {
      this.#dropped++;
      return;
    }
    const copies = this.#random() < p.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let at = sent + p.latencyMs + this.#random() * p.jitterMs;
      if (i > 0 || this.#random() < p.reorder.probability) at += this.#random() * p.reorder.byMs;
      else {
        at = Math.max(at, this.#lastInOrder);
        this.#lastInOrder = at;
      }
      this.#insert(at, d.item);
    }
  }

  poll(now: Millis): T | undefined {
    const first = this.#queue[0];
    if (!first || first.at > now) return undefined;
    this.#queue.shift();
    return first.item;
  }

  /** When the last bit has left the bottleneck; undefined: no room in the queue. */
  #passBottleneck(bytes: number, now: Millis): number | undefined {
    const { rate } = this.#p;
    if (!rate) return now;
    const start = Math.max(now, this.#linkFree);
    const queued = ((start - now) * rate.bps) / 8000;
    if (queued + bytes > rate.queueBytes) return undefined;
    this.#linkFree = start + (bytes * 8000) / rate.bps;
    return this.#linkFree;
  }

  #insert(at: number, item: T): void {
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.at ?? 0) > at) i--;
    this.#queue.splice(i, 0, { at, item });
  }
}
