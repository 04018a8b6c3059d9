import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const program = join(process.cwd(), "bin/roomtap.js");
const STEP_MS = 50;
const FINISH_MS = 20_000;

/** A program that runs. Its owner stops it. */
export class Command {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";

  /** Starts `file` with its arguments; `roomtap` is this package's. */
  constructor(file: string, args: readonly string[]) {
    const own = file === "roomtap";
    this.child = spawn(own ? process.execPath : file, own ? [program, ...args] : args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.child.stdout?.setEncoding("utf8").on("data", (t: string) => {
      this.stdout += t;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (t: string) => {
      this.stderr += t;
    });
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits for something; rejects when the command ends before or takes too long. */
  async until<T>(what: string, look: () => T | undefined, timeoutMs: number): Promise<T> {
    for (const end = Date.now() + timeoutMs; Date.now() < end && !this.ended; await wait(STEP_MS)) {
      const found = look();
      if (found !== undefined) return found;
    }
    const said = this.stderr.trim().split("\n").slice(-2).join("; ");
    throw new Error(`${what}: ${this.ended ? "the command ended" : "not in time"}${said && ` (${said})`}`);
  }

  /** Ends it as Ctrl-C does, or by force when that takes too long. */
  async stop(): Promise<void> {
    if (this.ended) return;
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill("SIGINT");
    if ((await Promise.race([closed, wait(FINISH_MS, "late", { ref: false })])) === "late")
      this.child.kill("SIGKILL");
  }
}
