import type { Millis } from "./time.ts";

/** A protocol state machine. It never waits, never reads a clock and never throws on network input. */
export interface Machine<In, Out> {
  push(input: In, now: Millis): void;
  /** Next output, or undefined when drained. Drain after every push and every deadline. */
  poll(now: Millis): Out | undefined;
  /** When poll could next produce output without a push; undefined: only a push can. */
  readonly deadline: Millis | undefined;
}

/** The earlier of two deadlines. */
export function earliest(a: Millis | undefined, b: Millis | undefined): Millis | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
