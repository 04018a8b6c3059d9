import type { ExitCodeValue } from "../core/fault.ts";
import type { Output } from "./output.ts";

/** What a command gets from the program, and how it says how it ended. */
export type CommandContext = {
  readonly out: Output;
  /** Sets the process's exit code; the last one said counts. */
  exit(code: ExitCodeValue): void;
};

/** Signals that came before anybody listened. */
let before = (): number => 0;

/** Hands over those who listened for signals while the program was loading. */
export function expectInterrupts(soFar: () => number): void {
  before = soFar;
}

/** Calls back on SIGINT, SIGTERM and SIGHUP with how many came so far; returns how to stop listening. */
export function onInterrupt(cb: (count: number) => void): () => void {
  let count = before();
  before = () => 0;
  const listener = () => cb(++count);
  if (count > 0) queueMicrotask(() => cb(count));
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  // The terminal was closed.
  process.on("SIGHUP", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
    process.off("SIGHUP", listener);
  };
}
