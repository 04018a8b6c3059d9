// Records a room and asks for other simulcast layers while it does. Arguments: address, directory, layers, milliseconds each.
import { RecordControl, record } from "../../../dist/index.js";

const [room, out, layers, everyMs] = process.argv.slice(2);
const control = new RecordControl();
const stop = new AbortController();
let begun;
const recording = new Promise((resolve) => {
  begun = resolve;
});
const result = record({
  ...{ room, out, format: "mkv", pictures: false, control, stop: stop.signal },
  onStatus: (s) => {
    if (s.phase === "recording") begun();
  },
});
await Promise.race([recording, result]);
for (const layer of layers.split(",")) {
  control.prefer(layer);
  await new Promise((resolve) => setTimeout(resolve, Number(everyMs)));
}
stop.abort();
console.log(JSON.stringify(await result));
