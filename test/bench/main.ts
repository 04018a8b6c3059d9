import { type Figure, matroskaWrite, parse, receivePath, receivePathWithLoss, sendPath } from "./core.ts";
import { recordCpu } from "./record-cpu.ts";

/*
 * `npm run bench` prints one JSON document; `npm run bench -- receive` runs what has that in its name.
 */

const options = { warmUps: 15, runs: 61, now: () => Number(process.hrtime.bigint()) };
const RECORD_SECONDS = 10;

const benches: Record<string, () => Figure | Promise<Figure>> = {
  "receive-path/vp8": () => receivePath("vp8", options),
  "receive-path/h264": () => receivePath("h264", options),
  "receive-path/opus": () => receivePath("opus", options),
  "receive-path/vp8-loss2-rtx": () => receivePathWithLoss("vp8", options),
  "receive-path/h264-loss2-rtx": () => receivePathWithLoss("h264", options),
  "parse/rtp": () => parse(options),
  "send-path/vp8": () => sendPath(options),
  "matroska/write": () => matroskaWrite(options),
  "record/720p": () => recordCpu(process.cwd(), RECORD_SECONDS),
};

const wanted = process.argv[2] ?? "";
const bench: Figure[] = [];
for (const [name, run] of Object.entries(benches)) {
  if (!name.includes(wanted)) continue;
  process.stderr.write(`${name} ...\n`);
  bench.push(await run());
}
process.stdout.write(`${JSON.stringify({ bench }, null, 2)}\n`);
