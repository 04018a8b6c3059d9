import { expect, test } from "vitest";
import { fuzz } from "./run.ts";
import { targets } from "./targets.ts";

/** All targets together, on a slow core. */
const SLICE_MS = 2000;

test.each(targets.map((t) => [t.name, t] as const))("%s survives mutated and random input", (_, target) => {
  const o = {
    seed: 1,
    inputs: 20_000,
    milliseconds: SLICE_MS / targets.length,
    atLeast: 50,
    now: () => performance.now(),
  };
  const result = fuzz(target, o);
  expect(result.failure).toBeUndefined();
  expect(result.inputs).toBeGreaterThanOrEqual(50);
  // Otherwise the seeds are not what the target reads.
  expect(result.understood).toBeGreaterThan(0);
});
