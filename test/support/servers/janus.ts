import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { findProgram, type Program } from "../requires.ts";

const run = promisify(execFile);
const START_MS = 30_000;
/** In the namespace: nobody else is there. */
const PORT = 8188;
const LIBRARIES = "/usr/lib/x86_64-linux-gnu/janus";

/** The server's program. */
export const janusProgram: Program = {
  name: "janus",
  path: findProgram("janus"),
  install: "apt-get install -y janus",
};

/** A running Janus with rooms 1234 (open), 1235 (with a pin), 1236 (takes one publisher) and 1237 (only H.264). */
export type JanusServer = {
  /** Its WebSocket, inside of the namespace. */
  readonly socket: string;
  /** A room's address there. */
  room(id: number): string;
  readonly pin: string;
  /** Runs a program where the server can be reached, when put before its command line. */
  readonly prefix: readonly string[];
  /** Ends it without a word. */
  kill(): Promise<void>;
  /** Starts it again after `kill`. */
  start(): Promise<void>;
  /** Breaks all its WebSockets; the server goes on. */
  cutSignalling(): Promise<void>;
  /** Ends it and removes its network. Idempotent. */
  close(): Promise<void>;
  log(): string;
};

/**
 * Starts a server in a network namespace of its own with an interface that is not the loopback: Janus takes no addresses of
 * that. Waits until it answers. The caller closes it.
 */
export async function startJanus(o: { readonly fullTrickle?: boolean } = {}): Promise<JanusServer> {
  const { path } = janusProgram;
  if (path === undefined) throw new Error(`${janusProgram.name} is missing: ${janusProgram.install}`);
  const name = `roomtap-${process.pid}-${Math.random().toString(36).slice(2, 8)}-janus`;
  const folder = mkdtempSync(join(tmpdir(), "roomtap-janus-"));
  const pin = "let-me-in";
  configure(folder, pin, o.fullTrickle !== false);
  const prefix = ["ip", "netns", "exec", name];
  const ip = (...args: string[]) => run("ip", args);
  let child: ChildProcess | undefined;
  let said = "";
  const start = async () => {
    const started = spawn("ip", [...prefix.slice(1), path, "-F", folder, "-N"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-200_000);
      });
    }
    await listening(prefix, () => started.exitCode ?? started.signalCode);
  };
  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const over = once(running, "exit");
    running.kill(signal);
    await over;
  };
  const close = async () => {
    await end("SIGKILL");
    await ip("netns", "del", name).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await ip("netns", "add", name);
    await ip("-n", name, "link", "set", "lo", "up");
    await ip("-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1");
    await ip("-n", name, "address", "add", "10.99.0.1/24", "dev", "v0");
    for (const link of ["v0", "v1"]) await ip("-n", name, "link", "set", link, "up");
    await start();
  } catch (error) {
    await close();
    throw new Error(`Janus does not start: ${said.slice(-2000)}`, { cause: error });
  }
  return {
    ...{ pin, prefix, start, close, log: () => said },
    socket: `ws://127.0.0.1:${PORT}`,
    room: (id) => `janus+ws://127.0.0.1:${PORT}/${id}`,
    kill: () => end("SIGKILL"),
    cutSignalling: async () => {
      const [file = "", ...rest] = [...prefix, "ss", "-HK", "dport", "=", `:${PORT}`];
      // It complains of sockets that it cannot end, those that only listen.
      const { stdout } = await run(file, rest).catch((e: unknown) => e as { stdout: string });
      if (!stdout.includes("ESTAB")) throw new Error("no WebSocket was there to be broken");
    },
  };
}

function configure(folder: string, pin: string, fullTrickle: boolean): void {
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  mkdirSync(join(folder, "empty"));
  write(
    "janus.jcfg",
    `general: {
  configs_folder = "${folder}"
  plugins_folder = "${LIBRARIES}/plugins"
  transports_folder = "${LIBRARIES}/transports"
  events_folder = "${folder}/empty"
  loggers_folder = "${folder}/empty"
  debug_level = 4
  session_timeout = 60
  reclaim_session_timeout = 30
}
media: { rtp_port_range = "20000-29999" }
nat: {
  full_trickle = ${fullTrickle}
  ice_enforce_list = "v0"
}
plugins: {
  disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so"
}
transports: { disable = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so" }
`,
  );
  write(
    "janus.transport.websockets.jcfg",
    `general: { json = "compact", ws = true, ws_port = ${PORT}, ws_ip = "127.0.0.1", wss = false }\nadmin: { admin_ws = false }\n`,
  );
  const room = (id: number, more: string) =>
    `room-${id}: { description = "room ${id}", publishers = 20, bitrate = 6000000, fir_freq = 10, videocodec = "vp8,h264", ${more} notify_joining = true }\n`;
  write(
    "janus.plugin.videoroom.jcfg",
    [
      room(1234, ""),
      room(1235, `pin = "${pin}",`),
      room(1236, "").replace("publishers = 20", "publishers = 1"),
      room(1237, "").replace('"vp8,h264"', '"h264"'),
    ].join(""),
  );
}

/** A connection is taken. */
async function listening(prefix: readonly string[], ended: () => unknown): Promise<void> {
  const until = performance.now() + START_MS;
  for (;;) {
    if (ended() !== null) throw new Error("it ended");
    const [file = "", ...rest] = [...prefix, "ss", "-Hltn", "sport", "=", `:${PORT}`];
    const { stdout } = await run(file, rest);
    if (stdout.trim() !== "") return;
    if (performance.now() > until) throw new Error(`nothing listens at port ${PORT}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await startJanus();
  console.log(`rooms   ${server.room(1234)}   with a pin: ${server.room(1235)} --pin ${server.pin}`);
  console.log(`run     ${server.prefix.join(" ")} roomtap record ${server.room(1234)}`);
  console.log("Ctrl-C ends it");
  process.once("SIGINT", () => void server.close());
}
