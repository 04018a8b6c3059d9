import { parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./run.ts";
import { targets } from "./targets.ts";

const { name, inputs, seed, beat } = workerData as {
  readonly name: string;
  readonly inputs: number;
  readonly seed: number;
  readonly beat: Int32Array;
};
const target = targets.find((t) => t.name === name);
if (!target) throw new Error(`no target ${name}`);
const collect = () => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
parentPort?.postMessage(
  fuzz(target, {
    seed,
    inputs,
    now: () => performance.now(),
    collect,
    onProgress: (n) => Atomics.store(beat, 0, n),
  }),
);
