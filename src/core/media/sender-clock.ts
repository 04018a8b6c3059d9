import type { WallMillis } from "../time.ts";

/** At most this many sender reports speak for the clock. */
const MAX_SAMPLES = 20;
/** A sender's clock may run this much off nominal before the slope is called nonsense. */
const MAX_SLOPE_ERROR = 0.05;
/** Implausible reports in a row before the old samples are given up. */
const MAX_REJECTS = 3;
const MAX_WALL_JUMP_MS = 3_600_000;
const MAX_RTP_JUMP = 2 ** 25;
/** Slope is only believed over a base line of this length; below it the nominal rate is better. */
const MIN_BASELINE_MS = 5000;

/**
 * Maps RTP timestamps of one SSRC to the sender's wall clock, from its sender reports (RFC 3550 section
 * 6.4.1): least squares over the newest samples, nominal rate while they span little time.
 */
export class SenderClock {
  readonly #ratePerMs: number;
  #samples: { wall: number; rtp: number }[] = [];
  #rejects = 0;
  #slope: number;
  #rtp0 = 0;
  #wall0 = 0;

  /** `clockRate` in Hz. */
  constructor(clockRate: number) {
    this.#ratePerMs = clockRate / 1000;
    this.#slope = 1 / this.#ratePerMs;
  }

  /** At least one report was accepted. */
  get known(): boolean {
    return this.#samples.length > 0;
  }

  /** Adds a report. `rtp` is unwrapped. False when it is a duplicate or implausible. */
  push(wall: WallMillis, rtp: number): boolean {
    const last = this.#samples.at(-1);
    if (last) {
      if (wall === last.wall && rtp === last.rtp) return false;
      const jump =
        wall <= last.wall ||
        rtp < last.rtp ||
        wall - last.wall > MAX_WALL_JUMP_MS ||
        rtp - last.rtp > MAX_RTP_JUMP ||
        !this.#plausible(wall - last.wall, rtp - last.rtp);
      if (jump && ++this.#rejects < MAX_REJECTS) return false;
      if (jump) this.#samples = [];
    }
    this.#rejects = 0;
    this.#samples.push({ wall, rtp });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#fit();
    return true;
  }

  /** Sender's wall clock at an unwrapped RTP timestamp; undefined before the first report. */
  wallAt(rtp: number): WallMillis | undefined {
    if (this.#samples.length === 0) return undefined;
    return (this.#wall0 + (rtp - this.#rtp0) * this.#slope) as WallMillis;
  }

  /** Forgets everything (the stream restarted). */
  reset(): void {
    this.#samples = [];
    this.#rejects = 0;
  }

  /** Two reports must agree with the nominal rate within 5 % or 200 ms, whichever is more. */
  #plausible(dWall: number, dRtp: number): boolean {
    const error = Math.abs(dRtp / this.#ratePerMs - dWall);
    return error <= Math.max(200, dWall * MAX_SLOPE_ERROR);
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
    wall /= s.length;
    rtp /= s.length;
    this.#wall0 = first.wall + wall;
    this.#rtp0 = first.rtp + rtp;
    const nominal = 1 / this.#ratePerMs;
    this.#slope = nominal;
    if (last.wall - first.wall < MIN_BASELINE_MS || s.length < 4) return;
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
