import { type Figure, matroskaWrite, parse, receivePath, receivePathWithLoss, sendPath } from "./core.ts";

const options = { warmUps: 5, runs: 25, now: () => Number(process.hrtime.bigint()) };
const benches: (() => Figure | Promise<Figure>)[] = [
  () => receivePath("vp8", options),
  () => receivePath("h264", options),
  () => receivePath("opus", options),
  () => receivePathWithLoss("vp8", options),
  () => parse(options),
  () => sendPath(options),
  () => matroskaWrite(options),
];

const bench: Figure[] = [];
for (const run of benches) {
  const figure = await run();
  process.stderr.write(`${JSON.stringify(figure)}\n`);
  bench.push(figure);
}
process.stdout.write(`${JSON.stringify({ bench }, null, 2)}\n`);
