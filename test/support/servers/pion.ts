import { spawn } from "node:child_process";
import { once } from "node:events";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findProgram, type Program } from "../requires.ts";

const source = fileURLToPath(new URL("pion", import.meta.url));
const built = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "roomtap-test/media-server");
const START_MS = 30_000;

/** The server's program; `.ci/run` builds it. */
export const mediaServerProgram: Program = {
  name: "the media server on pion",
  path: findProgram(built),
  install: `go build -C ${source} -o ${built} .`,
};

/** A media server that takes WHIP and gives WHEP, on the loopback. */
export type MediaServer = {
  /** Where a stream is published. */
  readonly whip: (name: string) => string;
  /** Where it is played; `counter`: by an offer of the server's. */
  readonly whep: (name: string, counter?: boolean) => string;
  /** Ends it. Idempotent. */
  readonly close: () => Promise<void>;
};

/** Starts a server and waits until it says where it is. The caller closes it. */
export async function startMediaServer(o: { readonly token?: string } = {}): Promise<MediaServer> {
  const { path, name, install } = mediaServerProgram;
  if (path === undefined) throw new Error(`${name} is missing: ${install}`);
  const env = { ...process.env, PORT: "", MEDIA_TOKEN: o.token ?? "" };
  const child = spawn(path, [], { env, stdio: ["ignore", "pipe", "inherit"] });
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, "exit");
    child.kill("SIGKILL");
    await over;
  };
  const [line] = await once(child.stdout.setEncoding("utf8"), "data", {
    signal: AbortSignal.timeout(START_MS),
  }).catch(async (cause) => {
    await close();
    throw new Error(`${name} does not start`, { cause });
  });
  const url = String(line).trim();
  return {
    whip: (stream) => `whip+${url}/${stream}/whip`,
    whep: (stream, counter = false) => `whep+${url}/${stream}/${counter ? "counter" : "whep"}`,
    close,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await startMediaServer();
  console.log(`publish ${server.whip("NAME")}`);
  console.log(`play    ${server.whep("NAME")}`);
  console.log("Ctrl-C ends it");
  process.once("SIGINT", () => void server.close());
}
