import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../bin/roomtap.js", import.meta.url));

/** How a run of the command line ended. */
export type CliResult = {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
};

/** A running command. */
export type CliRun = {
  readonly child: ChildProcess;
  /** Its standard output so far. */
  readonly stdout: string;
  /** Resolves with the first match of a pattern in stdout and stderr together. */
  seen(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  readonly done: Promise<CliResult>;
  /** Sends a signal to the command itself (not to its children). */
  kill(signal?: NodeJS.Signals): void;
};

/**
 * How to run a command. `prefix`: a command that runs the command line, like `ip netns exec NAME`. `input`: its standard
 * input is a pipe, `child.stdin`.
 */
export type CliOptions = {
  env?: Record<string, string>;
  cwd?: string;
  prefix?: readonly string[];
  input?: boolean;
};

/** Starts `roomtap ...` as a user would. The caller ends it. */
export function startCli(args: readonly string[], o: CliOptions = {}): CliRun {
  const [file = process.execPath, ...rest] = [...(o.prefix ?? []), process.execPath, program, ...args];
  const child = spawn(file, rest, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...o.env },
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
  });
  // What is written to a program that has ended is lost.
  child.stdin.on("error", () => undefined);
  if (!o.input) child.stdin.end();
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (t: string) => {
    stdout += t;
    for (const w of watchers) w();
  });
  child.stderr.setEncoding("utf8").on("data", (t: string) => {
    stderr += t;
    for (const w of watchers) w();
  });
  const done = new Promise<CliResult>((resolve) => {
    child.on("close", (code, signal) => {
      resolve({ code, signal, stdout, stderr });
      for (const w of watchers) w();
    });
  });
  return {
    child,
    get stdout() {
      return stdout;
    },
    done,
    kill: (signal = "SIGINT") => void child.kill(signal),
    seen: (pattern, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const stop = () => {
          watchers.delete(check);
          clearTimeout(timer);
        };
        const check = () => {
          const m = pattern.exec(`${stdout}\n${stderr}`);
          if (m) {
            stop();
            resolve(m);
          } else if (child.exitCode !== null || child.signalCode !== null) {
            stop();
            reject(new Error(`ended before ${pattern}: ${stdout}\n${stderr}`));
          }
        };
        const timer = setTimeout(() => {
          stop();
          reject(new Error(`no ${pattern} within ${timeoutMs} ms: ${stdout}\n${stderr}`));
        }, timeoutMs);
        watchers.add(check);
        check();
      }),
  };
}

/** Runs `roomtap ...` to its end. */
export function runCli(args: readonly string[], o: CliOptions = {}): Promise<CliResult> {
  return startCli(args, o).done;
}
