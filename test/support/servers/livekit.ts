import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Program } from "../requires.ts";
import { findProgram } from "../requires.ts";
import { answering, freePort } from "./starting.ts";

/** The version under test; `.ci/run` installs it. */
export const LIVEKIT_VERSION = "v1.13.5";

const START_MS = 60_000;
const folder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
  `roomtap-test/livekit-${LIVEKIT_VERSION}`,
);

/** The server's program. */
export const liveKitProgram: Program = {
  name: "livekit-server",
  path: findProgram(join(folder, "server")),
  install: `GOBIN=${folder} go install github.com/livekit/livekit-server/cmd/server@${LIVEKIT_VERSION}`,
  unavailable: findProgram("go") === undefined,
};

/** A running LiveKit server on the loopback, with a key of its own. */
export type LiveKitServer = {
  readonly apiKey: string;
  readonly apiSecret: string;
  /** Host and port of signalling and API. */
  readonly host: string;
  /** A room's address for the bot. */
  readonly room: (name: string) => string;
  /** A token for a room; `grants` as in the `video` claim of an access token. */
  readonly token: (identity: string, grants: Readonly<Record<string, unknown>>, lifeS?: number) => string;
  /** Asks its RoomService. Rejects when it refuses. */
  readonly api: (method: string, body: Readonly<Record<string, unknown>>) => Promise<unknown>;
  /** Ends it without a word. */
  readonly kill: () => Promise<void>;
  /** Starts it again after `kill`, on the same ports. */
  readonly start: () => Promise<void>;
  /** Ends it. Idempotent. */
  readonly close: () => Promise<void>;
  /** What it said so far. */
  readonly log: () => string;
};

/** Starts a server and waits until it answers. The caller closes it. */
export async function startLiveKit(): Promise<LiveKitServer> {
  const { path } = liveKitProgram;
  if (path === undefined) throw new Error(`${liveKitProgram.name} is missing: ${liveKitProgram.install}`);
  const [port, tcp, udp] = [await freePort(), await freePort(), await freePort()];
  const [apiKey, apiSecret] = ["roomtap", "a-secret-that-is-only-for-tests-0123456789"];
  const config = {
    port,
    bind_addresses: ["127.0.0.1"],
    keys: { [apiKey]: apiSecret },
    logging: { level: "info", pion_level: "error" },
    room: { enable_remote_unmute: true },
    rtc: {
      tcp_port: tcp,
      udp_port: udp,
      node_ip: "127.0.0.1",
      use_external_ip: false,
      enable_loopback_candidate: true,
      interfaces: { includes: ["lo"] },
    },
  };
  const host = `127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let said = "";
  const start = async () => {
    // In the environment and not on the command line, as one would with a real secret. JSON is YAML.
    const env = { ...process.env, LIVEKIT_CONFIG: JSON.stringify(config) };
    const started = spawn(path, [], { env, stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-200_000);
      });
    }
    await answering(`http://${host}/`, () => started.exitCode ?? started.signalCode, START_MS);
  };
  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const over = once(running, "exit");
    running.kill(signal);
    await over;
  };
  const token: LiveKitServer["token"] = (identity, video, lifeS = 600) => {
    const exp = Math.floor(Date.now() / 1000) + lifeS;
    const claims = { iss: apiKey, sub: identity, name: identity, nbf: exp - 1200, exp, video };
    const signed = [{ alg: "HS256", typ: "JWT" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${signed}.${createHmac("sha256", apiSecret).update(signed).digest("base64url")}`;
  };
  const api: LiveKitServer["api"] = async (method, body) => {
    const response = await fetch(`http://${host}/twirp/livekit.RoomService/${method}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${token("admin", { roomAdmin: true, room: body.room })}`,
      },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  try {
    await start();
  } catch (error) {
    await end("SIGKILL");
    throw new Error(`the LiveKit server does not start: ${said.slice(-2000)}`, { cause: error });
  }
  return {
    apiKey,
    apiSecret,
    host,
    room: (name) => `livekit+ws://${host}/${name}`,
    token,
    api,
    start,
    kill: () => end("SIGKILL"),
    // It waits for its participants when asked nicely.
    close: () => end("SIGKILL"),
    log: () => said,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await startLiveKit();
  console.log(`rooms   ${server.room("ROOM")}`);
  console.log(`key     LIVEKIT_API_KEY=${server.apiKey} LIVEKIT_API_SECRET=${server.apiSecret}`);
  console.log("Ctrl-C ends it");
  process.once("SIGINT", () => void server.close());
}
