import { type Millis, millis } from "../time.ts";
import type { PlacedFrame } from "./received-track.ts";

/** A layer without a packet for this long does not flow. */
const FLOW_MS = 500;
/** Nor does it flow for sure after this long. */
const RECENT_MS = 120;
/** A layer that was left is not taken again for this long; twice as long every time that it lived but shortly. */
const HOLD_DOWN_MS = 1000;
const MAX_HOLD_DOWN_MS = 16_000;
const SHORT_LIFE_MS = 10_000;
/** Nor is it asked for another keyframe for this long after one that came too late, twice as long every time. */
const ASK_AGAIN_MS = 500;
/** A reserve that grows beyond begins anew with the next keyframe. */
const MAX_RESERVE_FRAMES = 240;
const MAX_RESERVE_OCTETS = 8 << 20;
/** Time over which a rate is measured. */
const RATE_WINDOW_MS = 1000;
/** Weight of a new frame interval in the mean, and the largest that tells a pace. */
const INTERVAL_WEIGHT = 0.125;
const MAX_INTERVAL_MS = 2000;

/** What one simulcast layer (one SSRC) delivers, and its newest frames while they may be needed. */
export class SimulcastLayer {
  readonly ssrc: number;
  readonly rid: string | undefined;
  /** Picture size in its last keyframe, 0 where that does not say; undefined: no keyframe yet. */
  pixels: number | undefined;
  lastPacket: Millis | undefined;
  lastFrame: Millis | undefined;
  /** A keyframe of it is needed for a switch. */
  wanted = false;
  /** Whole frames from a keyframe on. */
  #reserve: PlacedFrame[] = [];
  #reserveOctets = 0;
  #flowingSince: Millis = millis(0);
  #intervalMs = 0;
  #lastLocal: Millis | undefined;
  #rate = 0;
  #windowOctets = 0;
  #windowStart: Millis | undefined;
  #takenAt: Millis = millis(0);
  #betterSince: Millis | undefined;
  #holdDownMs = HOLD_DOWN_MS;
  #notBefore: Millis = millis(0);
  #askAgainMs = ASK_AGAIN_MS;
  #askNotBefore: Millis = millis(0);

  constructor(ssrc: number, rid: string | undefined) {
    this.ssrc = ssrc;
    this.rid = rid;
  }

  /** Mean time between its frames in milliseconds; 0: not known yet. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** Octets per second in the last whole second. */
  get rate(): number {
    return this.#rate;
  }

  /** Frames from a keyframe on, as kept by `keep`. */
  get reserve(): readonly PlacedFrame[] {
    return this.#reserve;
  }

  /** Packets come. */
  flows(now: Millis): boolean {
    return this.lastPacket !== undefined && now - this.lastPacket < this.#flowMs();
  }

  /** A packet came only just now. */
  recent(now: Millis): boolean {
    return (
      this.lastPacket !== undefined && now - this.lastPacket <= Math.max(RECENT_MS, 2 * this.#intervalMs)
    );
  }

  /** Notes whether it would be the better one to show. Returns for how long, in milliseconds, it is and flows. */
  better(is: boolean, now: Millis): number {
    if (!is || !this.flows(now)) this.#betterSince = undefined;
    else this.#betterSince ??= now;
    return this.#betterSince === undefined ? 0 : now - Math.max(this.#betterSince, this.#flowingSince);
  }

  /** It may be taken: it was not left a short time ago. */
  mayBeTaken(now: Millis): boolean {
    return now >= this.#notBefore;
  }

  /** It may be asked for a keyframe to change to it. */
  mayBeAsked(now: Millis): boolean {
    return this.mayBeTaken(now) && now >= this.#askNotBefore;
  }

  /** Any packet of `octets` payload. */
  onPacket(octets: number, now: Millis): void {
    if (!this.flows(now)) this.#flowingSince = now;
    this.lastPacket = now;
    this.#windowStart ??= now;
    this.#windowOctets += octets;
    const elapsed = now - this.#windowStart;
    if (elapsed < RATE_WINDOW_MS) return;
    this.#rate = (this.#windowOctets * 1000) / elapsed;
    this.#windowOctets = 0;
    this.#windowStart = now;
  }

  /** A whole frame, whether it passes or not. */
  onFrame(f: PlacedFrame, now: Millis): void {
    this.lastFrame = now;
    if (f.keyframe) this.pixels = (f.width ?? 0) * (f.height ?? 0) || (this.pixels ?? 0);
    const interval = f.local - (this.#lastLocal ?? f.local);
    this.#lastLocal = f.local;
    if (interval <= 0 || interval > MAX_INTERVAL_MS) return;
    const weight = this.#intervalMs === 0 ? 1 : INTERVAL_WEIGHT;
    this.#intervalMs += weight * (interval - this.#intervalMs);
  }

  /** Keeps a frame in the reserve. Returns how many frames are gone for it, itself included. */
  keep(f: PlacedFrame): number {
    let gone = 0;
    const full =
      this.#reserve.length >= MAX_RESERVE_FRAMES || this.#reserveOctets + f.data.length > MAX_RESERVE_OCTETS;
    if (full) gone = this.discard();
    if (this.#reserve.length === 0 && !f.keyframe) return gone + 1;
    this.#reserve.push(f);
    this.#reserveOctets += f.data.length;
    return gone;
  }

  /** Empties the reserve. Returns how many frames it had. */
  discard(): number {
    const n = this.#reserve.length;
    if (n > 0) this.#reserve = [];
    this.#reserveOctets = 0;
    return n;
  }

  /** Takes the frames out of the reserve. */
  takeReserve(): readonly PlacedFrame[] {
    const taken = this.#reserve;
    this.discard();
    return taken;
  }

  /** Its frames pass from now on. */
  onTaken(now: Millis): void {
    this.#takenAt = now;
    this.#askAgainMs = ASK_AGAIN_MS;
    this.wanted = false;
  }

  /** It was left because it fell silent. */
  onLeft(now: Millis): void {
    if (now - this.#takenAt >= SHORT_LIFE_MS) this.#holdDownMs = HOLD_DOWN_MS;
    this.#notBefore = millis(now + this.#holdDownMs);
    this.#holdDownMs = Math.min(2 * this.#holdDownMs, MAX_HOLD_DOWN_MS);
  }

  /** A keyframe of it came too late to switch at. */
  onLate(now: Millis): void {
    this.wanted = false;
    this.#askNotBefore = millis(now + this.#askAgainMs);
    this.#askAgainMs = Math.min(2 * this.#askAgainMs, MAX_HOLD_DOWN_MS);
  }

  #flowMs(): number {
    return Math.min(Math.max(FLOW_MS, 3 * this.#intervalMs), MAX_INTERVAL_MS);
  }
}
