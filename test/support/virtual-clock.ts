import type { Machine } from "../../src/core/machine.ts";
import { type Millis, millis } from "../../src/core/time.ts";

type Event = { readonly at: number; readonly run: (now: Millis) => void };
type Attached = { readonly deadline: () => Millis | undefined; readonly drain: (now: Millis) => void };

/** More rounds than this at one instant: a machine asks for a deadline and then does nothing. */
const MAX_ROUNDS = 10_000;

/**
 * A clock that jumps from event to event, and drives machines by their deadlines. Real time plays no part, so
 * an hour of network takes milliseconds and is the same every time.
 */
export class VirtualClock {
  #now: number;
  /** Ascending by time; equal times keep their order. */
  readonly #events: Event[] = [];
  readonly #attached: Attached[] = [];

  constructor(start = 0) {
    this.#now = start;
  }

  get now(): Millis {
    return millis(this.#now);
  }

  /** Runs `run` at `at` milliseconds (now, if that is past). */
  at(at: number, run: (now: Millis) => void): void {
    let i = this.#events.length;
    while (i > 0 && (this.#events[i - 1]?.at ?? 0) > at) i--;
    this.#events.splice(i, 0, { at, run });
  }

  /** Runs `run` in `delay` milliseconds. */
  after(delay: number, run: (now: Millis) => void): void {
    this.at(this.#now + delay, run);
  }

  /**
   * Drives a machine: its outputs go to `onOutput`, at once after a push and at its deadlines. Returns the
   * push function.
   */
  attach<In, Out>(machine: Machine<In, Out>, onOutput: (out: Out, now: Millis) => void): (input: In) => void {
    const drain = (now: Millis) => {
      for (let out = machine.poll(now); out !== undefined; out = machine.poll(now)) onOutput(out, now);
    };
    this.#attached.push({ deadline: () => machine.deadline, drain });
    return (input) => {
      machine.push(input, this.now);
      drain(this.now);
    };
  }

  /** Runs everything due up to and including `until`. Throws when a machine spins without progress. */
  runUntil(until: number): void {
    let rounds = 0;
    for (;;) {
      const next = this.#nextTime();
      if (next > until) break;
      rounds = next > this.#now ? 0 : rounds + 1;
      if (rounds > MAX_ROUNDS) throw new Error(`a machine spins at ${this.#now} ms`);
      this.#now = Math.max(this.#now, next);
      while ((this.#events[0]?.at ?? Number.POSITIVE_INFINITY) <= this.#now)
        this.#events.shift()?.run(this.now);
      for (const m of this.#attached)
        if ((m.deadline() ?? Number.POSITIVE_INFINITY) <= this.#now) m.drain(this.now);
    }
    this.#now = Math.max(this.#now, until);
  }

  /** Runs for `duration` more milliseconds. */
  run(duration: number): void {
    this.runUntil(this.#now + duration);
  }

  #nextTime(): number {
    let t = this.#events[0]?.at ?? Number.POSITIVE_INFINITY;
    for (const m of this.#attached) t = Math.min(t, m.deadline() ?? Number.POSITIVE_INFINITY);
    return t;
  }
}
