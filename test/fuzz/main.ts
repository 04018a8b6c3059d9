import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { FuzzResult } from "./run.ts";
import { targets } from "./targets.ts";

/*
 * `npm run fuzz` tries ten million inputs and prints one JSON document; progress goes to stderr. Exit code 1
 * when a target threw, hung or kept memory. `-- --inputs N`, `--seed N` and `--only NAME` narrow it down.
 */

/** One input that takes longer than this is a hang. */
const HANG_MS = 10_000;
/** What a run may keep: caches and the engine's own tables. */
const MAX_HEAP_GROWTH = 32 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", default: "" },
  },
});
const names = targets.map((t) => t.name).filter((n) => n.includes(values.only));
const inputs = Math.ceil(Number(values.inputs) / Math.max(1, names.length));
const seed = Number(values.seed);
if (names.length === 0 || !(inputs > 0) || !Number.isInteger(seed)) {
  process.stderr.write(`nothing to do: --inputs N, --seed N, --only ${targets[0]?.name ?? ""}\n`);
  process.exit(2);
}

/** One target in a thread of its own, so that a hang can be seen, and ended. */
function run(name: string): Promise<FuzzResult | { name: string; hung: true; inputs: number; seed: number }> {
  return new Promise((resolve, reject) => {
    const beat = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: { name, inputs, seed, beat },
    });
    let last = -1;
    const watch = setInterval(() => {
      const done = Atomics.load(beat, 0);
      if (done !== last) {
        last = done;
        return;
      }
      clearInterval(watch);
      void worker.terminate();
      resolve({ name, hung: true, inputs: done, seed });
    }, HANG_MS);
    worker.once("message", (result: FuzzResult) => {
      clearInterval(watch);
      resolve(result);
    });
    worker.once("error", reject);
  });
}

const results = [];
let bad = false;
for (const name of names) {
  process.stderr.write(`${name} ...`);
  const result = await run(name);
  const failed =
    "hung" in result || result.failure !== undefined || (result.heapGrowth ?? 0) > MAX_HEAP_GROWTH;
  bad ||= failed;
  process.stderr.write(` ${result.inputs}${failed ? " FAILED" : ""}\n`);
  results.push(result);
}
const total = results.reduce((n, r) => n + r.inputs, 0);
process.stdout.write(`${JSON.stringify({ seed, inputs: total, ok: !bad, fuzz: results }, null, 2)}\n`);
process.exitCode = bad ? 1 : 0;
