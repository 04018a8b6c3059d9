import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { ExitCode, type ExitCodeValue } from "../core/fault.ts";
import { LineReader } from "../ffmpeg/lines.ts";
import { MANIFEST_FILE } from "../sinks/recorder/manifest.ts";

/** Patience with a command that was told to end. */
const TERM_MS = 5000;
/** How often to look whether it has. */
const LOOK_MS = 50;
/** What a command leaves running may hold its output open: it is not waited for any longer. */
const DRAIN_MS = 500;

/** What to run after a session. */
export type OnFinishOptions = {
  /** For the shell, as the user wrote it. */
  readonly command: string;
  /** Session directory, absolute. */
  readonly session: string;
  /** How the session ended. */
  readonly exit: ExitCodeValue;
  /** Called with every line of output, of both streams, without what ends it. Not fit for a terminal as it is. */
  readonly onLine: (line: string) => void;
  /** Aborting ends the command and everything it started: first gently, after 5 s for certain. */
  readonly end?: AbortSignal;
  /** Milliseconds from SIGTERM to SIGKILL. */
  readonly patienceMs?: number;
};

/** How the command ended. */
export type OnFinishResult = {
  /** Its exit code; null when a signal ended it, or it did not start. */
  readonly exitCode: number | null;
  /** Why it counts as failed, in words. */
  readonly failure?: string;
  /** `end` was aborted before it was done. */
  readonly interrupted: boolean;
};

/**
 * Runs a command in a shell, with the manifest's path as `$1` and `ROOMTAP_MANIFEST`, `ROOMTAP_SESSION`,
 * `ROOMTAP_EXIT` and `ROOMTAP_COMPLETE` (1 or 0) in its environment. Nothing is put into the command's text: names of
 * rooms and participants are made by strangers. It has a process group of its own, so that Ctrl-C in the terminal
 * reaches roomtap alone. Resolves when it is done, undefined when nothing was recorded at all; never rejects.
 */
export async function runOnFinish(o: OnFinishOptions): Promise<OnFinishResult | undefined> {
  if (!existsSync(o.session)) return undefined;
  if (o.end?.aborted) return { exitCode: null, failure: "was not started", interrupted: true };
  const manifest = join(o.session, MANIFEST_FILE);
  let child: ChildProcessByStdio<null, Readable, Readable>;
  try {
    child = spawn("/bin/sh", ["-c", o.command, "roomtap", manifest], {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        ROOMTAP_MANIFEST: manifest,
        ROOMTAP_SESSION: o.session,
        ROOMTAP_EXIT: String(o.exit),
        ROOMTAP_COMPLETE: isComplete(manifest) ? "1" : "0",
      },
    });
  } catch (error) {
    return { ...unstarted(error), interrupted: false };
  }
  const output = Promise.all([readLines(child.stdout, o.onLine), readLines(child.stderr, o.onLine)]);
  const ending: Promise<void>[] = [];
  const end = () => ending.push(endGroup(child.pid, o.patienceMs ?? TERM_MS));
  o.end?.addEventListener("abort", end, { once: true });
  const result = await exitOf(child);
  o.end?.removeEventListener("abort", end);
  await Promise.all(ending);
  await atMost(DRAIN_MS, output);
  child.stdout.destroy();
  child.stderr.destroy();
  return { ...result, interrupted: ending.length > 0 };
}

/**
 * The exit code of a session and the command after it: the session's own where that is not 0; else 130 when the
 * command was ended by the user, 1 when it failed.
 */
export function exitAfter(session: ExitCodeValue, command: OnFinishResult | undefined): ExitCodeValue {
  if (session !== ExitCode.ok || command === undefined) return session;
  if (command.interrupted) return ExitCode.interrupted;
  return command.failure === undefined ? ExitCode.ok : ExitCode.unexpected;
}

function isComplete(manifest: string): boolean {
  try {
    const value: unknown = JSON.parse(readFileSync(manifest, "utf8"));
    return typeof value === "object" && value !== null && "complete" in value && value.complete === true;
  } catch {
    return false;
  }
}

type Exit = { readonly exitCode: number | null; readonly failure?: string };

function unstarted(error: unknown): Exit {
  return {
    exitCode: null,
    failure: `did not start: ${error instanceof Error ? error.message : "unknown failure"}`,
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(unstarted(error)));
    child.on("exit", (exitCode, signal) => {
      if (exitCode === 0) resolve({ exitCode });
      else resolve({ exitCode, failure: signal ? `was ended by ${signal}` : `ended with code ${exitCode}` });
    });
  });
}

/** Waits for something, but not for ever. */
async function atMost(ms: number, something: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([something, late]);
  timer.abort();
}

/** Resolves at the end of the stream. */
function readLines(stream: Readable, take: (line: string) => void): Promise<void> {
  const lines = new LineReader();
  stream.setEncoding("utf8").on("data", (text: string) => lines.push(text).forEach(take));
  return new Promise((resolve) => {
    stream.on("close", () => {
      lines.end().forEach(take);
      resolve();
    });
  });
}

/** Ends a process group; resolves when it is gone or has been killed. */
async function endGroup(pid: number | undefined, patienceMs: number): Promise<void> {
  if (pid === undefined) return;
  const until = performance.now() + patienceMs;
  for (let alive = signalGroup(pid, "SIGTERM"); alive; alive = signalGroup(pid, 0)) {
    if (performance.now() >= until) {
      signalGroup(pid, "SIGKILL");
      return;
    }
    await delay(LOOK_MS);
  }
}

/** False: nobody is left in the group. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
