// Records a room for half a minute and says what came out.
// Run: node samples/record-room.mjs ws://127.0.0.1:8080/standup
import { record } from "roomtap";

const room = process.argv[2] ?? "ws://127.0.0.1:8080/standup";
const seconds = Number(process.argv[3] ?? 30);

const result = await record({
  room,
  durationMs: seconds * 1000,
  untilEmptyMs: 60_000,
  onNotice: ({ level, text }) => console.error(`${level}: ${text}`),
});

for (const file of result.files) {
  const tracks = file.tracks.map((t) => t.codec).join(" + ");
  console.log(`${file.participant}: ${file.path} (${(file.durationMs / 1000).toFixed(1)} s, ${tracks})`);
}
process.exitCode = result.exit;
