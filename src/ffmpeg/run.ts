import { type ChildProcess, spawn } from "node:child_process";
import { setPriority } from "node:os";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { RoomtapError } from "../core/fault.ts";
import { type CommandSpec, commandArguments } from "./command.ts";
import { LineReader } from "./lines.ts";

/** Patience at each step of ending a process that does not end. */
const EOF_MS = 10_000;
const INTERRUPT_MS = 5000;
/** The output pipes besides the standard ones and the one for progress. */
const FIRST_PIPE = 4;
/** Octets of its last line that an error repeats. */
const MAX_WORDS = 200;

/** How to run a command. Callbacks must not throw. */
export type RunOptions = {
  readonly ffmpeg: string;
  readonly command: CommandSpec;
  /** Where it runs, for names in filters: a path that is not ours cannot stand in one. */
  readonly cwd?: string;
  /** Fed to the standard input; its end is the normal way to stop. */
  readonly input?: AsyncIterable<Uint8Array>;
  /**
   * Called with the output's bytes when it goes to the standard output. While a promise that it returned is pending,
   * nothing is read, and ffmpeg waits.
   */
  readonly onOutput?: (bytes: Uint8Array) => void | Promise<void>;
  /** Called with what goes to `pipe:4`, `pipe:5` and so on; read at once, always. */
  readonly onPipes?: readonly ((bytes: Uint8Array) => void)[];
  /** Open files that it inherits: the first one, with no pipes besides, is its descriptor 4. The caller closes them. */
  readonly files?: readonly number[];
  /** Called with the id of the process, once it runs. */
  readonly onStart?: (pid: number) => void;
  /** Called with lines of stderr, redacted. */
  readonly onLog?: (line: string) => void;
  /** Takes secrets out of a line of stderr: ffmpeg repeats URLs, stream keys and all. */
  readonly redact?: (line: string) => string;
  /** Position in the output, microseconds. */
  readonly onProgress?: (outTimeUs: number) => void;
  /** Aborting ends the process; the promise then rejects with code `ffmpeg-failed`. */
  readonly signal?: AbortSignal;
  /** Give way to everything else on the machine. */
  readonly nice?: boolean;
  /** Milliseconds from the end of the input to SIGINT (default 10 000), and from there to SIGKILL (5000). */
  readonly patience?: { readonly eofMs: number; readonly interruptMs: number };
};

/**
 * Runs ffmpeg to its end. It is stopped by the end of its input, then by signals, the gentle one first. Rejects
 * with a RoomtapError: `disk-full`, or `ffmpeg-failed` that carries what ffmpeg said last; `ffmpeg-failed` as well
 * when the input fails, although ffmpeg takes that for its end and is content.
 */
export async function runFfmpeg(o: RunOptions): Promise<void> {
  if (o.signal?.aborted) throw stopped();
  const progress = o.onProgress ? ["-progress", "pipe:3"] : [];
  // A path from here is none from there.
  const program = o.cwd !== undefined && o.ffmpeg.includes("/") ? resolve(o.ffmpeg) : o.ffmpeg;
  const child = spawn(program, [...progress, ...commandArguments(o.command)], {
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    // A group of its own: Ctrl-C in the terminal is for roomtap, which ends ffmpeg by ending its input.
    detached: true,
    stdio: [
      o.input ? "pipe" : "ignore",
      o.onOutput ? "pipe" : "ignore",
      "pipe",
      o.onProgress ? "pipe" : "ignore",
      ...(o.onPipes ?? []).map(() => "pipe" as const),
      ...(o.files ?? []),
    ],
  });
  if (child.pid !== undefined) o.onStart?.(child.pid);
  for (const [i, take] of (o.onPipes ?? []).entries()) {
    const pipe = child.stdio[FIRST_PIPE + i];
    if (pipe instanceof Readable) pipe.on("data", take);
  }
  const said = listen(child, o);
  const feeding = feed(child, o.input);
  if (o.nice && child.pid !== undefined) lowerPriority(child.pid);
  const timers: NodeJS.Timeout[] = [];
  let aborted = false;
  const abort = () => {
    aborted = true;
    const eofMs = o.input ? (o.patience?.eofMs ?? EOF_MS) : 0;
    feeding?.stop();
    child.stdout?.resume();
    timers.push(setTimeout(() => child.kill("SIGINT"), eofMs));
    timers.push(setTimeout(() => child.kill("SIGKILL"), eofMs + (o.patience?.interruptMs ?? INTERRUPT_MS)));
  };
  o.signal?.addEventListener("abort", abort, { once: true });
  const end = await closed(child);
  o.signal?.removeEventListener("abort", abort);
  for (const t of timers) clearTimeout(t);
  // Whoever makes the input may be waiting for something that never comes; nobody waits for them.
  feeding?.stop();
  if (aborted) throw stopped();
  if (feeding?.failure !== undefined) {
    throw new RoomtapError("ffmpeg-failed", "what was fed to ffmpeg could not be read", {
      cause: feeding.failure,
    });
  }
  if (end.code === 0) return;
  throw failed(end, said.complaint);
}

type End = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly error?: Error };

/** "close", unlike "exit", comes after everything the process said has been read. */
function closed(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: null, signal: null, error }));
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
}

/** How ffmpeg says that the disk is full. */
const NO_SPACE = "No space left on device";

/** Reads all that the process says, always: a full pipe would stop it. `complaint` is the last that is not news. */
function listen(child: ChildProcess, o: RunOptions): { complaint: string | undefined } {
  const said: { complaint: string | undefined } = { complaint: undefined };
  const take = (raw: string) => {
    const line = o.redact ? o.redact(raw) : raw;
    // What comes after a full disk only follows from it.
    if (!line.includes("[info]") && !said.complaint?.includes(NO_SPACE)) said.complaint = line;
    o.onLog?.(line);
  };
  readLines(child.stderr, take);
  const { onOutput, onProgress } = o;
  if (onOutput) takeOutput(child.stdout, onOutput, o.signal);
  const pipe = child.stdio[3];
  if (onProgress && pipe instanceof Readable) {
    readLines(pipe, (line) => {
      const us = /^out_time_us=(\d+)$/.exec(line)?.[1];
      if (us !== undefined) onProgress(Number(us));
    });
  }
  return said;
}

function takeOutput(
  stdout: Readable | null,
  take: NonNullable<RunOptions["onOutput"]>,
  signal: AbortSignal | undefined,
): void {
  stdout?.on("data", (bytes: Uint8Array) => {
    const wait = take(bytes);
    // A process that is being stopped ends when all that it wrote was read.
    if (!wait || signal?.aborted) return;
    stdout.pause();
    void wait.then(() => stdout.resume());
  });
}

function readLines(stream: Readable | null, take: (line: string) => void): void {
  const lines = new LineReader();
  stream?.setEncoding("utf8").on("data", (text: string) => lines.push(text).forEach(take));
  stream?.on("end", () => lines.end().forEach(take));
}

/** Something that fills the standard input. */
type Feeding = {
  /** What went wrong with the input itself. */
  readonly failure: unknown;
  /** Ends the standard input here. */
  stop(): void;
};

function feed(child: ChildProcess, input: AsyncIterable<Uint8Array> | undefined): Feeding | undefined {
  const { stdin } = child;
  if (!input || !stdin) return undefined;
  const source = Readable.from(input, { objectMode: false });
  let failure: unknown;
  const stop = () => {
    source.unpipe(stdin);
    source.destroy();
    stdin.end();
  };
  source.on("error", (error) => {
    failure = error;
    stop();
  });
  // A process that ends early breaks the pipe; why it ended is in its exit, not here.
  stdin.on("error", () => source.destroy());
  source.pipe(stdin);
  return {
    get failure() {
      return failure;
    },
    stop,
  };
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, 10);
  } catch {
    // It ended already, or the system does not let us; both do no harm.
  }
}

function stopped(): RoomtapError {
  return new RoomtapError("ffmpeg-failed", "ffmpeg was stopped");
}

/** The error of a run that failed. `lastLine`: what ffmpeg complained of at the end. */
function failed(end: End, lastLine: string | undefined): RoomtapError {
  if (end.error) {
    return new RoomtapError("ffmpeg-failed", `ffmpeg did not start: ${end.error.message}`, {
      cause: end.error,
    });
  }
  // Without the names of the parts of ffmpeg before it.
  const words = lastLine?.replace(/^(\[[^\]]*\] ?)+/, "").trim() || "it said nothing";
  const message = `ffmpeg ended with ${end.signal ?? `code ${end.code}`}: ${words.slice(0, MAX_WORDS)}`;
  if (words.includes(NO_SPACE)) {
    return new RoomtapError("disk-full", message, {
      hint: "free space, or choose another directory with --out",
    });
  }
  return new RoomtapError("ffmpeg-failed", message, {
    hint: "run again with another ffmpeg (--ffmpeg) to see whether it is the build",
  });
}
