import { SenderTimeline, type TrackTimeline } from "../../../src/core/media/timeline.ts";
import { type Random, seededRandom } from "../../../src/core/random.ts";
import type { CaptureTime } from "../../../src/core/rtp/extension-values.ts";
import { millis, wallMillis } from "../../../src/core/time.ts";

/** Unix time of the sender at time 0. */
export const WALL = 1_700_000_000_000;

/** A track of the modelled sender. Times `t` are true capture times in milliseconds. */
export type ModelTrack = {
  readonly rate: number;
  readonly every: number;
  readonly from?: number;
  /** Milliseconds from capture to sending. */
  readonly encode?: number;
  /** Unwrapped timestamp of a moment; default: true time from 1000000. */
  readonly rtp?: (t: number) => number;
  /** False: nothing is sent then. */
  readonly sends?: (t: number) => boolean;
  /** Sender reports this often; 0: never. */
  readonly reportEvery?: number;
  /** What a report says: sender's wall clock and RTP time of a moment; undefined: no report. */
  readonly report?: (t: number) => { wall: number; rtp: number } | undefined;
  /** Capture time that a frame carries. */
  readonly capture?: (t: number) => CaptureTime | undefined;
  readonly duration?: number;
};

/** A frame as it was placed. */
export type Placed = { readonly t: number; readonly local: number; readonly at: number };

type Running = {
  readonly o: ModelTrack;
  readonly timeline: TrackTimeline;
  readonly placed: Placed[];
  held: { t: number; rtp: number; arrival: number }[];
  holdUntil: number;
  started: boolean;
};

/** Timestamp of a perfect clock, off by `ppm`. */
export function perfect(rate: number, ppm = 0, base = 1_000_000): (t: number) => number {
  return (t) => base + Math.round((t * rate * (1 + ppm * 1e-6)) / 1000);
}

export const audio: ModelTrack = { rate: 48_000, every: 20, reportEvery: 1000 };
export const video: ModelTrack = { rate: 90_000, every: 100 / 3, reportEvery: 1000, encode: 15 };

/**
 * Sends tracks of one sender over a path that keeps order, and places their frames as a stream does: the first ones
 * wait for a report, at most 1.5 s. `delay`: of the path, for what is sent at `t`.
 */
export function send(
  tracks: readonly ModelTrack[],
  o: { until: number; delay?: (t: number, random: Random) => number; seed?: number; sender?: SenderTimeline },
): { placed: readonly Placed[]; timeline: TrackTimeline }[] {
  const random = seededRandom(o.seed ?? 1);
  const sender = o.sender ?? new SenderTimeline();
  const running: Running[] = tracks.map((t) => ({
    o: t,
    timeline: sender.track(t.rate),
    placed: [],
    held: [],
    holdUntil: Number.POSITIVE_INFINITY,
    started: false,
  }));
  type Next = { sent: number; t: number; run: (arrival: number) => void; again: (() => Next) | undefined };
  const frame = (r: Running, t: number): Next => ({
    t,
    sent: t + (r.o.encode ?? 0),
    run: (arrival) => {
      if (r.o.sends?.(t) ?? true) onFrame(r, t, arrival);
    },
    again: () => frame(r, t + r.o.every),
  });
  const report = (r: Running, t: number): Next => ({
    t,
    sent: t,
    run: (arrival) => {
      const rtp = r.o.rtp ?? perfect(r.o.rate);
      const said = r.o.report ? r.o.report(t) : { wall: WALL + t, rtp: rtp(t) };
      if (said) r.timeline.onReport(wallMillis(said.wall), said.rtp, millis(arrival));
      release(r, arrival);
    },
    again: () => report(r, t + (r.o.reportEvery ?? 1000)),
  });
  const queue: Next[] = running.flatMap((r, i) => {
    const from = r.o.from ?? 0;
    const first = frame(r, from);
    // Reports start at some time of their own.
    return r.o.reportEvery === 0 ? [first] : [first, report(r, from + 130 + 170 * i)];
  });
  let free = 0;
  for (;;) {
    let next = queue[0];
    for (const n of queue) if (next && n.sent < next.sent) next = n;
    if (!next || next.sent > o.until) break;
    free = Math.max(free, next.sent + (o.delay?.(next.sent, random) ?? 20));
    next.run(free);
    if (next.again) queue[queue.indexOf(next)] = next.again();
  }
  return running.map(({ placed, timeline }) => ({ placed, timeline }));
}

function onFrame(r: Running, t: number, arrival: number): void {
  const rtp = (r.o.rtp ?? perfect(r.o.rate))(t);
  const capture = r.o.capture?.(t);
  r.timeline.onPacket(rtp, millis(arrival));
  if (capture) r.timeline.onCaptureTime(capture, 1, rtp, millis(arrival));
  if (r.started) place(r, t, rtp, arrival);
  else {
    if (r.held.length === 0) r.holdUntil = arrival + 1500;
    r.held.push({ t, rtp, arrival });
    release(r, arrival);
  }
}

function release(r: Running, now: number): void {
  if (r.started || r.held.length === 0 || (!r.timeline.synchronized && now < r.holdUntil)) return;
  r.started = true;
  for (const h of r.held) place(r, h.t, h.rtp, h.arrival);
  r.held = [];
}

function place(r: Running, t: number, rtp: number, arrival: number): void {
  const local = r.timeline.place(rtp, millis(arrival), r.o.duration);
  r.placed.push({ t, local, at: arrival });
}

/** Largest distance between what was captured at one moment by two tracks, from `from` on. */
export function lips(
  a: readonly Placed[],
  b: readonly Placed[],
  from = 0,
  until = Number.POSITIVE_INFINITY,
): number {
  let worst = 0;
  let i = 0;
  for (const x of a) {
    if (x.t < from || x.t > until) continue;
    while (i + 1 < b.length && (b[i + 1]?.t ?? 0) <= x.t) i++;
    const y = b[i];
    if (y && Math.abs(y.t - x.t) <= 40) worst = Math.max(worst, Math.abs(x.local - x.t - (y.local - y.t)));
  }
  return worst;
}

/** Largest error against true time plus the shortest way (20 ms), from `from` on. */
export function error(
  placed: readonly Placed[],
  from = 0,
  until = Number.POSITIVE_INFINITY,
  delay = 20,
): number {
  let worst = 0;
  for (const p of placed)
    if (p.t >= from && p.t <= until) worst = Math.max(worst, Math.abs(p.local - p.t - delay));
  return worst;
}

/** True when every frame comes after the one before. */
export function grows(placed: readonly Placed[]): boolean {
  return placed.every((p, i) => i === 0 || p.local > (placed[i - 1]?.local ?? 0));
}
