import { createLogUpdate } from "log-update";
import { ExitCode, type ExitCodeValue, RoomtapError } from "../core/fault.ts";
import { shown } from "./units.ts";

/** Where a command writes. stdout carries results only. */
export type Output = {
  /** A result document or line, on stdout. */
  result(text: string): void;
  /** A line for people, on stderr. */
  line(text: string): void;
  /** Live lines that replace the last ones; on a pipe only every few seconds, without control codes. */
  live(lines: () => string): void;
  /** Ends the live lines. */
  settle(): void;
  /** Live lines are redrawn in place. */
  readonly interactive: boolean;
  readonly color: boolean;
};

/** How often a pipe gets a status line. */
const PLAIN_INTERVAL_MS = 5000;

/** Output on the process's own streams. */
export function processOutput(): Output {
  const interactive = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  const update = interactive ? createLogUpdate(process.stderr) : undefined;
  let lastPlain = 0;
  return {
    interactive,
    color: interactive && (process.env.NO_COLOR ?? "") === "",
    result: (text) => void process.stdout.write(`${text}\n`),
    line: (text) => {
      update?.clear();
      process.stderr.write(`${text}\n`);
    },
    live: (lines) => {
      if (update) return update(lines());
      const now = Date.now();
      if (now - lastPlain < PLAIN_INTERVAL_MS) return;
      lastPlain = now;
      process.stderr.write(`${lines()}\n`);
    },
    settle: () => update?.done(),
  };
}

/** Two lines for a failure: what happened, what to do. Returns the exit code. */
export function reportError(out: Output, error: unknown): ExitCodeValue {
  out.settle();
  if (error instanceof RoomtapError) {
    out.line(`error: ${oneLine(error.message)}`);
    if (error.hint !== undefined) out.line(`hint: ${oneLine(error.hint)}`);
    return error.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  out.line(`error: unexpected: ${oneLine(message)}`);
  out.line("hint: this is a bug in roomtap; run again with ROOMTAP_DEBUG=1 for the stack and report it");
  if (process.env.ROOMTAP_DEBUG && error instanceof Error) out.line(error.stack ?? "");
  return ExitCode.unexpected;
}

function oneLine(text: string): string {
  return shown(text.trim().replace(/\s*[\r\n]+\s*/g, " "), 500);
}
