import { spawn } from "node:child_process";
import { setPriority } from "node:os";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RoomtapError } from "../core/fault.ts";
import { type CommandSpec, commandArguments } from "./command.ts";

/** Patience at each step of ending a process that does not end. */
const EOF_MS = 10_000;
const INTERRUPT_MS = 5000;
const STDERR_TAIL = 4000;

/** How to run a command. */
export type RunOptions = {
  readonly ffmpeg: string;
  readonly command: CommandSpec;
  /** Fed to the standard input; its end is the normal way to stop. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Called with the output's bytes when it goes to the standard output. */
  readonly onOutput?: (bytes: Uint8Array) => void;
  /** Called with lines of stderr, without secrets of ours. */
  readonly onLog?: (line: string) => void;
  /** Position in the output, microseconds. */
  readonly onProgress?: (outTimeUs: number) => void;
  /** Aborting ends the process; the promise then rejects with code `ffmpeg-failed`. */
  readonly signal?: AbortSignal;
  /** Give way to everything else on the machine. */
  readonly nice?: boolean;
};

/**
 * Runs ffmpeg to its end. It is stopped by the end of its input, then by signals, the gentle one first. Rejects
 * with a RoomtapError `ffmpeg-failed` that carries what ffmpeg said last.
 */
export async function runFfmpeg(o: RunOptions): Promise<void> {
  const progress = o.onProgress ? ["-progress", "pipe:3", "-stats_period", "0.5"] : [];
  const args = [...commandArguments(o.command)];
  // The 2018 build has no -stats_period.
  args.splice(1, 0, ...progress.slice(0, 2));
  const child = spawn(o.ffmpeg, args, {
    // A group of its own: Ctrl-C in the terminal is for roomtap, which ends ffmpeg by ending its input.
    detached: true,
    stdio: [
      o.input ? "pipe" : "ignore",
      o.onOutput ? "pipe" : "ignore",
      "pipe",
      o.onProgress ? "pipe" : "ignore",
    ],
  });
  let tail = "";
  let unfinished = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
    const lines = (unfinished + text).split(/[\r\n]+/);
    unfinished = lines.pop() ?? "";
    for (const line of lines) if (line !== "") o.onLog?.(line);
  });
  const onOutput = o.onOutput;
  if (onOutput) child.stdout?.on("data", (bytes: Uint8Array) => onOutput(bytes));
  const onProgress = o.onProgress;
  const progressPipe = child.stdio[3];
  if (onProgress && progressPipe instanceof Readable) {
    progressPipe.setEncoding("utf8").on("data", (text: string) => {
      // In spite of its name out_time_ms counts microseconds.
      const us = /out_time_ms=(\d+)/g;
      for (const m of text.matchAll(us)) onProgress(Number(m[1]));
    });
  }
  if (o.nice && child.pid !== undefined) {
    try {
      setPriority(child.pid, 10);
    } catch {
      // It ended already, or the system does not let us; both do no harm.
    }
  }
  const timers: NodeJS.Timeout[] = [];
  const abort = () => {
    child.stdin?.end();
    timers.push(setTimeout(() => child.kill("SIGINT"), o.input ? EOF_MS : 0));
    timers.push(setTimeout(() => child.kill("SIGKILL"), (o.input ? EOF_MS : 0) + INTERRUPT_MS));
  };
  if (o.signal?.aborted) abort();
  o.signal?.addEventListener("abort", abort, { once: true });
  const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null; error?: Error }>(
    (resolve) => {
      child.on("error", (error) => resolve({ code: null, signal: null, error }));
      child.on("close", (code, signal) => resolve({ code, signal }));
    },
  );
  // A process that ends early breaks the pipe; why it ended is in its exit, not here.
  const feeding =
    o.input && child.stdin ? pipeline(o.input, child.stdin).catch(() => undefined) : Promise.resolve();
  const end = await closed;
  if (unfinished !== "") o.onLog?.(unfinished);
  await feeding;
  for (const t of timers) clearTimeout(t);
  o.signal?.removeEventListener("abort", abort);
  if (o.signal?.aborted) throw new RoomtapError("ffmpeg-failed", "ffmpeg was stopped");
  if (end.code === 0) return;
  throw new RoomtapError(
    "ffmpeg-failed",
    `ffmpeg ended with ${end.signal ?? end.error?.message ?? `code ${end.code}`}: ${lastWords(tail)}`,
    {
      hint: "run again with another ffmpeg (--ffmpeg) to see whether it is the build",
      ...(end.error ? { cause: end.error } : {}),
    },
  );
}

/** The last line that says something. */
function lastWords(stderr: string): string {
  const lines = stderr.split("\n").map((l) => l.replace(/^\[[^\]]*\] ?/g, "").trim());
  return (
    lines
      .filter((l) => l !== "" && !l.startsWith("[info]"))
      .at(-1)
      ?.slice(0, 200) ?? "it said nothing"
  );
}
