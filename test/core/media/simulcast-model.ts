import { LayerSelector } from "../../../src/core/media/layer-selector.ts";
import type { PlacedFrame } from "../../../src/core/media/received-track.ts";
import { millis } from "../../../src/core/time.ts";

/** A layer of the model: what it sends and how its packets travel. */
export type ModelLayer = {
  readonly ssrc: number;
  readonly rid?: string;
  width: number;
  height: number;
  /** Every how many pictures one is sent. */
  every?: number;
  /** From capture to the receiver, ms. */
  delayMs: number;
  /** What its timeline adds, ms. */
  skewMs?: number;
  on: boolean;
  /** Packets come, frames do not. */
  stuck?: boolean;
};

/** What passed: the frame, of which layer, and when. */
export type Passed = { readonly ssrc: number; readonly frame: PlacedFrame; readonly at: number };

const PICTURE_MS = 1000 / 30;
const ROUND_TRIP_MS = 60;

type Arrival = { readonly at: number; readonly ssrc: number; readonly frame: PlacedFrame | undefined };

/** A camera of 30 pictures a second in simulcast, an encoder that answers requests, and a selector behind it. */
export class SimulcastModel {
  readonly selector = new LayerSelector();
  readonly passed: Passed[] = [];
  readonly requests: { readonly ssrc: number; readonly at: number }[] = [];
  readonly #layers: readonly ModelLayer[];
  readonly #keyframeAt = new Map<number, number>();
  readonly #sending = new Set<number>();
  readonly #known = new Set<number>();
  #arrivals: Arrival[] = [];
  #picture = 0;
  /** Milliseconds since the start. */
  now = 0;

  constructor(layers: readonly ModelLayer[]) {
    this.#layers = layers;
  }

  /** Runs the call for a while. */
  run(ms: number): void {
    const end = this.now + ms;
    for (; this.#picture * PICTURE_MS < end; this.#picture++) {
      this.#deliver(this.#picture * PICTURE_MS);
      this.#capture(this.#picture * PICTURE_MS);
    }
    this.#deliver(end);
    this.now = end;
  }

  /** Every encoder begins anew with the next picture. */
  refresh(): void {
    this.#sending.clear();
  }

  /** SSRCs in the order they passed, repeats left out. */
  get order(): readonly number[] {
    return this.passed.flatMap((p, i) => (this.passed[i - 1]?.ssrc === p.ssrc ? [] : [p.ssrc]));
  }

  /** The longest step of time between frames that passed since `from`, ms. */
  longestGap(from = 0): number {
    const times = this.passed.filter((p) => p.frame.local >= from).map((p) => p.frame.local as number);
    return Math.max(0, ...times.slice(1).map((t, i) => t - (times[i] ?? t)));
  }

  #deliver(until: number): void {
    this.#arrivals.sort((a, b) => a.at - b.at);
    const due = this.#arrivals.filter((a) => a.at < until);
    this.#arrivals = this.#arrivals.slice(due.length);
    for (const a of due) {
      this.#wake(a.at);
      this.#arrive(a);
    }
    this.#wake(until);
  }

  #capture(at: number): void {
    for (const l of this.#layers) {
      if (!l.on) {
        this.#sending.delete(l.ssrc);
        continue;
      }
      if (this.#picture % (l.every ?? 1) !== 0) continue;
      const wanted = (this.#keyframeAt.get(l.ssrc) ?? Number.POSITIVE_INFINITY) <= at;
      const keyframe = !this.#sending.has(l.ssrc) || wanted;
      this.#sending.add(l.ssrc);
      if (keyframe && !l.stuck) this.#keyframeAt.delete(l.ssrc);
      const frame: PlacedFrame = {
        codec: "vp8",
        data: new Uint8Array((l.width * l.height) / 400),
        keyframe,
        local: millis(at + (l.skewMs ?? 0)),
        rtpTime: Math.round(at * 90) + l.ssrc * 1000,
        lostBefore: 0,
        ...(keyframe ? { width: l.width, height: l.height } : {}),
      };
      this.#arrivals.push({ at: at + l.delayMs, ssrc: l.ssrc, frame: l.stuck ? undefined : frame });
    }
  }

  #arrive(a: Arrival): void {
    const now = millis(a.at);
    if (!this.#known.has(a.ssrc)) {
      this.#known.add(a.ssrc);
      this.selector.add(a.ssrc, this.#layers.find((l) => l.ssrc === a.ssrc)?.rid, now);
    }
    this.selector.packet(a.ssrc, 1000, now);
    this.#drain(a.at);
    if (a.frame) this.selector.push(a.ssrc, a.frame, now);
    this.#drain(a.at);
  }

  #wake(until: number): void {
    for (let due = this.selector.deadline; due !== undefined && due <= until; due = this.selector.deadline)
      this.#drain(due);
  }

  #drain(at: number): void {
    for (let o = this.selector.poll(millis(at)); o; o = this.selector.poll(millis(at))) {
      if (o.t === "frame") this.passed.push({ ssrc: o.ssrc, frame: o.frame, at });
      else {
        this.requests.push({ ssrc: o.ssrc, at });
        this.#keyframeAt.set(o.ssrc, at + ROUND_TRIP_MS);
      }
    }
  }
}
