import { type Millis, millis } from "../core/time.ts";

/** Something with a deadline that the pump runs: sans-IO machines and what surrounds them. */
export interface Pumped {
  /** When `run` is due; undefined: only after the next `touch`. */
  readonly deadline: Millis | undefined;
  run(now: Millis): void;
  /** The event loop stood still for `lagMs`: arrival times just read are late by up to that. */
  onStall?(lagMs: number, now: Millis): void;
}

/** A timer that fires this late is a stall of the event loop. */
const STALL_MS = 15;

/** Local monotonic time. */
export function monotonicNow(): Millis {
  return millis(performance.now());
}

/**
 * A clock of whole milliseconds that starts at zero now. What comes in at such times can be played again from a
 * file that has no finer ones.
 */
export function sessionClock(): () => Millis {
  const base = performance.now();
  return () => millis(Math.floor(performance.now() - base));
}

/** The only timer for core machines: one timeout, armed for the earliest deadline of all. */
export class Pump {
  /** Time of all members: local monotonic time, or a clock of their own. */
  readonly now: () => Millis;
  readonly #members = new Set<Pumped>();
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #armedAt = 0;

  constructor(now: () => Millis = monotonicNow) {
    this.now = now;
  }

  add(p: Pumped): void {
    this.#members.add(p);
    this.touch(p);
  }

  remove(p: Pumped): void {
    this.#members.delete(p);
    if (this.#members.size === 0) this.#disarm();
  }

  /** Call after pushing anything into a member: its deadline may have moved. */
  touch(p: Pumped): void {
    const due = this.#members.has(p) ? p.deadline : undefined;
    if (due !== undefined && due < this.#armedFor) this.#arm(due);
  }

  /**
   * Call with the time of everything read from the network, before it is pushed anywhere: after a stall it may come
   * before the timer that is late as well.
   */
  notice(now: Millis): void {
    // A deadline that was past when it was set says nothing about the loop.
    const lag = now - Math.max(this.#armedFor, this.#armedAt);
    if (lag <= STALL_MS) return;
    this.#armedAt = now;
    for (const p of this.#members) p.onStall?.(lag, now);
  }

  #arm(due: number): void {
    this.#disarm();
    this.#armedFor = due;
    this.#armedAt = this.now();
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, due - this.#armedAt));
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    const now = this.now();
    this.notice(now);
    this.#disarm();
    let next = Number.POSITIVE_INFINITY;
    for (const p of this.#members) {
      if (p.deadline !== undefined && p.deadline <= now) p.run(now);
      next = Math.min(next, p.deadline ?? Number.POSITIVE_INFINITY);
    }
    // A run may have touched others and armed the timer already.
    if (next < this.#armedFor) this.#arm(next);
  }
}
