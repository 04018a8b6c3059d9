// A room server and a recorder in one program: opens a room, waits for people, records until they have left.
// Run: node samples/serve-and-record.mjs
import { createRoomServer, record } from "roomtap";

const server = await createRoomServer({ port: 8080 });
console.log(`join with a browser: ${server.url}r/interview`);

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());

const result = await record({
  room: `${server.url.replace("http", "ws")}interview`,
  untilEmptyMs: 120_000,
  stop: stop.signal,
});
console.log(`${result.files.length} files in ${result.session}`);

await server.close();
process.exitCode = result.exit;
