import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findProgram, type Program } from "../requires.ts";

const script = fileURLToPath(new URL("aiortc-media.py", import.meta.url));
const START_MS = 60_000;
const END_MS = 30_000;

/** Debian's Python with aiortc; another Python on the PATH may be without it. */
export const aiortcProgram: Program = {
  name: "aiortc",
  path: pythonWithAiortc(),
  install: "apt-get install -y python3-aiortc",
};

function pythonWithAiortc(): string | undefined {
  const python = findProgram("/usr/bin/python3", "python3");
  return python !== undefined && spawnSync(python, ["-c", "import aiortc"]).status === 0 ? python : undefined;
}

/** aiortc at work; see the script. */
export type Aiortc = {
  /** Resolves when it has said this. */
  readonly said: (what: RegExp) => Promise<RegExpExecArray>;
  /** Ends it properly: its file is complete then. Idempotent. */
  readonly close: () => Promise<void>;
};

/** Starts the script with these arguments. The caller closes it. */
export function startAiortc(...args: readonly string[]): Aiortc {
  const { path } = aiortcProgram;
  if (path === undefined) throw new Error(`aiortc is missing: ${aiortcProgram.install}`);
  const child = spawn(path, [script, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  let wake: () => void = () => undefined;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (t: string) => {
      text += t;
      wake();
    });
  child.on("exit", () => wake());
  return {
    said: async (what) => {
      const end = performance.now() + START_MS;
      for (;;) {
        const m = what.exec(text);
        if (m) return m;
        if (child.exitCode !== null || performance.now() > end)
          throw new Error(`aiortc never said ${what}: ${text.slice(-2000)}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 500);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    close: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, "exit");
  child.stdin?.end();
  const force = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await over;
  clearTimeout(force);
}

/** Starts a server that answers offers. `said` gives its address by `/http\S+/`. */
export function serveAiortc(o: { readonly play?: string; readonly record?: string }): Aiortc {
  const { play, record } = o;
  return startAiortc(
    "serve",
    ...(play === undefined ? [] : ["--play", play]),
    ...(record === undefined ? [] : ["--record", record]),
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [play, record] = process.argv.slice(2);
  const server = serveAiortc({ ...(play ? { play } : {}), ...(record ? { record } : {}) });
  const [url] = await server.said(/http\S+/);
  console.log(`offer+${url}`);
  console.log("Ctrl-C ends it");
  process.once("SIGINT", () => void server.close());
}
