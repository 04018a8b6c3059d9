import { seededRandom } from "../../src/core/random.ts";
import type { FuzzTarget } from "./target.ts";

/** What came of fuzzing one target. Times in milliseconds, memory in octets. */
export type FuzzResult = {
  readonly name: string;
  readonly inputs: number;
  /** Inputs that the target made something of. */
  readonly understood: number;
  readonly milliseconds: number;
  readonly slowestMs: number;
  /** How much the heap grew from a tenth of the run to its end; absent without `collect`. */
  readonly heapGrowth?: number;
  readonly failure?: { readonly message: string; readonly seed: number; readonly input: string };
};

/** How to fuzz. */
export type FuzzOptions = {
  readonly seed: number;
  readonly inputs: number;
  /** Stops earlier than after `inputs`, when this much time has passed, but not before `atLeast` of them. */
  readonly milliseconds?: number;
  readonly atLeast?: number;
  /** Milliseconds from any origin. */
  readonly now: () => number;
  /** Collects garbage and tells the octets that remain. */
  readonly collect?: () => number;
  /** After every few hundred inputs, with their number so far. */
  readonly onProgress?: (inputs: number) => void;
};

const STEP = 500;

/** Feeds one target until the inputs or the time are used up, or until it fails. */
export function fuzz(target: FuzzTarget, o: FuzzOptions): FuzzResult {
  const start = o.now();
  const run = target.start(seededRandom(o.seed));
  let understood = 0;
  let slowestMs = 0;
  let inputs = 0;
  let failure: FuzzResult["failure"];
  let before: number | undefined;
  try {
    while (inputs < o.inputs) {
      const from = o.now();
      if (run.round()) understood++;
      inputs++;
      const to = o.now();
      slowestMs = Math.max(slowestMs, to - from);
      if (inputs % STEP === 0) o.onProgress?.(inputs);
      const late = o.milliseconds !== undefined && to - start >= o.milliseconds;
      if (late && inputs >= (o.atLeast ?? 0)) break;
      if (before === undefined && inputs >= o.inputs / 10) before = o.collect?.();
    }
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    failure = { message, seed: o.seed, input: run.last() };
  }
  const after = before === undefined ? undefined : o.collect?.();
  return {
    name: target.name,
    inputs,
    understood,
    milliseconds: Math.round(o.now() - start),
    slowestMs: Math.round(slowestMs * 10) / 10,
    ...(before !== undefined && after !== undefined ? { heapGrowth: after - before } : {}),
    ...(failure ? { failure } : {}),
  };
}
