/*
 * janus-whep-server in front of a VideoRoom: node janus-whep.mjs MODULE JANUS_URL ROOM PIN PORT. Serves the room's publisher at
 * /whep/endpoint/live, token "w4tch"; says {"t":"ready"} once it does. Ends with its standard input.
 */
import { register } from "node:module";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";

const [module, url, room, pin, port] = process.argv.slice(2);

// Of the ways to Janus it loads one by Unix sockets too, which would have to be compiled.
const empty = "data:text/javascript,export const createSocket = undefined";
register(
  `data:text/javascript,${encodeURIComponent(`export const resolve = (name, context, next) =>
    name === "unix-dgram" ? { url: ${JSON.stringify(empty)}, shortCircuit: true } : next(name, context);`)}`,
);
const { JanusWhepServer } = await import(pathToFileURL(module).href);

/** Asks Janus, one request after the other. */
async function connect() {
  const socket = new WebSocket(url, "janus-protocol");
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  let n = 0;
  const ids = {};
  return async (body) => {
    const transaction = String(++n);
    const answer = new Promise((resolve) => {
      const hear = (data) => {
        const m = JSON.parse(String(data));
        if (m.transaction !== transaction) return;
        socket.off("message", hear);
        resolve(m);
      };
      socket.on("message", hear);
    });
    socket.send(JSON.stringify({ transaction, ...ids, ...body }));
    const m = await answer;
    if (body.janus === "create") ids.session_id = m.data.id;
    if (body.janus === "attach") ids.handle_id = m.data.id;
    return m;
  };
}

const ask = await connect();
await ask({ janus: "create" });
await ask({ janus: "attach", plugin: "janus.plugin.videoroom" });
const body = { request: "listparticipants", room: Number(room) };
/** The one who publishes; they may still be about to. */
async function publisher() {
  for (let tries = 0; tries < 100; tries++) {
    const { plugindata } = await ask({ janus: "message", body });
    const found = plugindata.data.participants.find((p) => p.publisher)?.id;
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("nobody publishes");
}

const feed = await publisher();
const server = new JanusWhepServer({
  janus: { address: url },
  rest: { port: Number(port), basePath: "/whep" },
});
await server.start();
server.createEndpoint({ id: "live", plugin: "videoroom", room: Number(room), feed, pin, token: "w4tch" });
process.stdout.write('{"t":"ready"}\n');
process.stdin.resume().on("end", () => process.exit(0));
