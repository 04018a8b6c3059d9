import { codecs } from "../../src/core/codecs/registry.ts";
import {
  type Figure,
  matroskaWrite,
  receivePath,
  receivePathWithLoss,
  sendPath,
  stageOf,
  werift,
} from "./figures.ts";
import { recordCpu } from "./record-cpu.ts";
import { stageNames } from "./stages.ts";
import { turnBridge } from "./turn-bridge.ts";

/*
 * `npm run bench` prints one JSON document; `npm run bench -- receive` runs what has that in its name.
 */

const options = {
  warmUps: 15,
  runs: 41,
  now: () => Number(process.hrtime.bigint()),
  collect: () => globalThis.gc?.(),
};
const RECORD_SECONDS = 10;
const BRIDGE_SECONDS = 5;

const benches: Record<string, () => Figure | Promise<Figure>> = {};
for (const { name } of codecs) benches[`receive-path/${name}`] = () => receivePath(name, options);
for (const name of ["vp8", "h264"] as const)
  benches[`receive-path/${name}-loss2-rtx`] = () => receivePathWithLoss(name, options);
for (const stage of stageNames)
  for (const { name } of codecs) benches[`${stage}/${name}`] = () => stageOf(stage, name, options);
for (const stage of ["parse", "depacketize", "receive-path"] as const)
  benches[`werift/${stage}`] = () => werift(stage, options);
benches["send-path/vp8"] = () => sendPath(options);
benches["matroska/write"] = () => matroskaWrite(options);
benches["turn-bridge/tls"] = () => turnBridge(BRIDGE_SECONDS);
benches["record/720p"] = () => recordCpu(process.cwd(), RECORD_SECONDS);

const wanted = process.argv[2] ?? "";
const bench: Figure[] = [];
for (const [name, run] of Object.entries(benches)) {
  if (!name.includes(wanted)) continue;
  process.stderr.write(`${name} ...\n`);
  bench.push(await run());
}
process.stdout.write(`${JSON.stringify({ bench }, null, 2)}\n`);
