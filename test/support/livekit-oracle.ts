import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { LiveKitServer } from "./servers/livekit.ts";

const client = fileURLToPath(new URL("children/livekit-client.mjs", import.meta.url));

/** What the official client saw. */
export type Watched = { frames: number; width: number; height: number; audioMs: number; loudest: number };

/** The official client in a room: publishes video in three layers, or watches. The caller closes it. */
export class LiveKitOracle {
  /** What it said. */
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(role: "publish" | "watch", server: LiveKitServer, room: string) {
    const grants = { roomJoin: true, room, canPublish: role === "publish", canSubscribe: role === "watch" };
    this.#child = spawn(process.execPath, [client, role, `ws://${server.host}`], {
      env: { ...process.env, LIVEKIT_TOKEN: server.token("Oracle", grants) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => this.lines.push(...text.split("\n")));
  }

  /** Its video is there. */
  get published(): boolean {
    return this.lines.some((l) => l.includes("published"));
  }

  /** What came until now. */
  get watched(): Watched | undefined {
    if (this.#child.exitCode !== null)
      throw new Error(`the official client ended with ${this.#child.exitCode}`);
    const line = this.lines.findLast((l) => l.startsWith('{"t":"watch"'));
    return line === undefined ? undefined : JSON.parse(line);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const over = once(this.#child, "exit");
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await over;
    clearTimeout(timer);
  }
}
