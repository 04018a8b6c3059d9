import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "../requires.ts";
import type { JanusServer } from "./janus.ts";

/** The version under test; `.ci/run` installs it. Not a dependency: one of its own needs a compiler, and is not used. */
const VERSION = "1.1.0";
const PORT = 7090;

const folder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
  `roomtap-test/janus-whep-server-${VERSION}`,
);
const module = join(folder, "node_modules/janus-whep-server/src/whep.js");
const child = fileURLToPath(new URL("../children/janus-whep.mjs", import.meta.url));

/** The package, where it is installed. */
export const janusWhepServer: Program = {
  name: "janus-whep-server",
  path: existsSync(module) ? module : undefined,
  install: `npm install --ignore-scripts --prefix ${folder} janus-whep-server@${VERSION}`,
};

/** A WHEP server in front of a Janus, in the same network namespace. */
export type JanusWhep = {
  /** Address for the bot. */
  readonly room: string;
  readonly token: string;
  /** Idempotent. */
  close(): Promise<void>;
};

/** Serves what the one publisher of a room sends now. Resolves when it does. The caller closes it. */
export async function startJanusWhep(janus: JanusServer, room: number, pin: string): Promise<JanusWhep> {
  const [ip = "", ...more] = janus.prefix;
  const args = [process.execPath, child, module, janus.socket, String(room), pin, String(PORT)];
  const process_ = spawn(ip, [...more, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  process_.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
  });
  const over = once(process_, "exit");
  const first = await Promise.race([once(process_.stdout, "data"), over.then(() => undefined)]);
  if (first === undefined) throw new Error(`the WHEP server of Janus does not start: ${said}`);
  return {
    room: `whep+http://127.0.0.1:${PORT}/whep/endpoint/live`,
    token: "w4tch",
    close: async () => {
      process_.stdin.end();
      await over;
    },
  };
}
