import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

/** A TCP port on loopback that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

/** A process that receives streams, to be killed and started again. */
export class Receiver {
  readonly #program: string;
  readonly #args: (run: number) => readonly string[];
  #child: ChildProcess | undefined;
  #closed: Promise<unknown> = Promise.resolve();
  #runs = 0;
  /** What it said. */
  said = "";

  /** `args`: its arguments, by how often it was started before. */
  constructor(program: string, args: (run: number) => readonly string[]) {
    this.#program = program;
    this.#args = args;
  }

  start(): void {
    const child = spawn(this.#program, this.#args(this.#runs++), { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.said += text;
    });
    this.#child = child;
    this.#closed = new Promise((resolve) => {
      child.on("close", resolve);
    });
  }

  /** Ends it, by default without a chance to say goodbye. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child?.kill(signal);
    await this.#closed;
  }

  /** Resolves when it ended by itself. */
  get ended(): Promise<unknown> {
    return this.#closed;
  }
}

/** nginx with its RTMP module: `live` records what comes into `folder`, `closed` lets nobody publish. */
export function nginxReceiver(program: string, folder: string, port: number): Receiver {
  mkdirSync(folder);
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; user root; pid ${folder}/pid; error_log ${folder}/log info;
events { worker_connections 64; }
rtmp { server {
  listen 127.0.0.1:${port};
  application live { live on; record all; record_path ${folder}; record_unique on; }
  application closed { live on; deny publish all; }
} }
`,
  );
  return new Receiver(program, () => ["-p", folder, "-c", config, "-e", join(folder, "log")]);
}

/** The files in a folder with this extension, in order of their names. */
export function filesIn(folder: string, extension: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(folder, name));
}
