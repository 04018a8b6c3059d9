import { NTP_UNIX_OFFSET_S, type WallMillis } from "../time.ts";

/** At most this many samples speak for the clock. */
const MAX_SAMPLES = 20;
/** A sender's clock may run this much off nominal before the slope is called nonsense. */
const MAX_SLOPE_ERROR = 0.05;
/** Implausible samples in a row that agree with each other before they replace the old ones. */
const AGREEING = 3;
const MAX_WALL_JUMP_MS = 3_600_000;
const MAX_RTP_JUMP = 2 ** 25;
/** Slope is only believed over a base line of this length; below it the nominal rate is better. */
const MIN_BASELINE_MS = 5000;
const MIN_FIT = 4;
/** NTP 0: the sender does not know the time (RFC 3550 section 6.4.1). */
const NO_TIME = -NTP_UNIX_OFFSET_S * 1000;

type Sample = { wall: number; readonly rtp: number };

/** What became of a sample; `rebuilt`: the clock was set, and is now told by the newest samples alone. */
export type SampleVerdict = "accepted" | "rejected" | "rebuilt";

/**
 * Maps RTP timestamps of one SSRC to a wall clock of its sender, from sender reports (RFC 3550 section 6.4.1)
 * or capture times: least squares over the newest samples, nominal rate while they span little time.
 */
export class SenderClock {
  readonly #ratePerMs: number;
  #samples: Sample[] = [];
  /** Newest samples that contradict the others, but not each other. */
  #dissent: Sample[] = [];
  #shift = 0;
  #slope: number;
  #rtp0 = 0;
  #wall0 = 0;

  /** `clockRate` in Hz. */
  constructor(clockRate: number) {
    this.#ratePerMs = clockRate / 1000;
    this.#slope = 1 / this.#ratePerMs;
  }

  /** At least one sample was accepted. */
  get known(): boolean {
    return this.#samples.length > 0;
  }

  /** By how much the RTP clock is fast against the wall clock, parts per million; 0 while that is not known. */
  get driftPpm(): number {
    return (1 / (this.#slope * this.#ratePerMs) - 1) * 1e6;
  }

  /** How far the samples lie off the line through them, milliseconds: the median. */
  get residualMs(): number {
    const off = this.#samples.map((s) => Math.abs(this.#wall0 + (s.rtp - this.#rtp0) * this.#slope - s.wall));
    return off.sort((a, b) => a - b)[off.length >> 1] ?? 0;
  }

  /** Milliseconds added to the sender's wall clock, so that it runs on where the sender has set it. */
  get shift(): number {
    return this.#shift;
  }

  /** Adds a sample. `rtp` is unwrapped. Rejected: a duplicate, no time, or implausible. */
  push(wall: WallMillis, rtp: number): SampleVerdict {
    if (wall === NO_TIME) return "rejected";
    const sample = { wall: wall + this.#shift, rtp };
    const last = this.#samples.at(-1);
    if (last && !this.#follows(last, sample)) {
      if (sample.wall === last.wall && rtp === last.rtp) return "rejected";
      return this.#dissents(sample) ? "rebuilt" : "rejected";
    }
    this.#dissent = [];
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#fit();
    return "accepted";
  }

  /** Sender's wall clock at an unwrapped RTP timestamp; undefined before the first sample. */
  wallAt(rtp: number): WallMillis | undefined {
    if (this.#samples.length === 0) return undefined;
    return (this.#wall0 + (rtp - this.#rtp0) * this.#slope) as WallMillis;
  }

  /** Sets what is added to the sender's wall clock, in milliseconds, for past and future samples. */
  shiftTo(shift: number): void {
    const by = shift - this.#shift;
    for (const s of this.#samples) s.wall += by;
    this.#shift = shift;
    this.#wall0 += by;
  }

  /** Forgets everything but the shift (the stream restarted). */
  reset(): void {
    this.#samples = [];
    this.#dissent = [];
  }

  /** Notes a sample that contradicts the others; true when the others are given up for it. */
  #dissents(sample: Sample): boolean {
    const d = this.#dissent;
    const before = d.at(-1);
    if (before && sample.wall === before.wall && sample.rtp === before.rtp) return false;
    if (before && !this.#follows(before, sample)) d.length = 0;
    d.push(sample);
    if (d.length < AGREEING) return false;
    this.#samples = d;
    this.#dissent = [];
    this.#fit();
    return true;
  }

  /** Both clocks went forward, not too far, and by the same time within 5 % or 200 ms, whichever is more. */
  #follows(a: Sample, b: Sample): boolean {
    const dWall = b.wall - a.wall;
    const dRtp = b.rtp - a.rtp;
    if (dWall <= 0 || dRtp < 0 || dWall > MAX_WALL_JUMP_MS || dRtp > MAX_RTP_JUMP) return false;
    return Math.abs(dRtp / this.#ratePerMs - dWall) <= Math.max(200, dWall * MAX_SLOPE_ERROR);
  }

  #fit(): void {
    const s = this.#samples;
    const first = s[0];
    const last = s.at(-1);
    if (!first || !last) return;
    let wall = 0;
    let rtp = 0;
    for (const x of s) {
      wall += x.wall - first.wall;
      rtp += x.rtp - first.rtp;
    }
    // Centred: the squares of whole times would not fit into a double.
    this.#wall0 = first.wall + wall / s.length;
    this.#rtp0 = first.rtp + rtp / s.length;
    const nominal = 1 / this.#ratePerMs;
    this.#slope = nominal;
    if (last.wall - first.wall < MIN_BASELINE_MS || s.length < MIN_FIT) return;
    let num = 0;
    let den = 0;
    for (const x of s) {
      const dr = x.rtp - this.#rtp0;
      num += dr * (x.wall - this.#wall0);
      den += dr * dr;
    }
    const slope = den > 0 ? num / den : nominal;
    if (Math.abs(slope / nominal - 1) <= MAX_SLOPE_ERROR) this.#slope = slope;
  }
}
