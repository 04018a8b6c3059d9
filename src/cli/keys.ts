import { readFileSync } from "node:fs";
import type { RecordControl } from "../bot/record.ts";

const CTRL_C = "\u0003";
const CTRL_Z = "\u001a";

/**
 * Lets the user pause and end a recording: with the keys `p` and `q` where there is a terminal, and with SIGUSR2
 * anywhere. Returns how to stop listening; idempotent.
 */
export function onKeys(control: RecordControl, stop: AbortController): () => void {
  const toggle = () => (control.paused ? control.resume() : control.pause());
  process.on("SIGUSR2", toggle);
  const { stdin } = process;
  if (stdin.isTTY !== true || process.stderr.isTTY !== true || !inForeground())
    return () => process.off("SIGUSR2", toggle);
  const onKey = (key: string) => {
    if (key === "p" || key === " ") toggle();
    else if (key === "q") stop.abort();
    else if (key === CTRL_C) process.kill(process.pid, "SIGINT");
    else if (key === CTRL_Z) {
      stdin.setRawMode(false);
      process.kill(process.pid, "SIGTSTP");
    }
  };
  const onContinue = () => {
    if (inForeground()) stdin.setRawMode(true);
  };
  stdin.setRawMode(true);
  stdin.setEncoding("utf8").on("data", onKey).resume();
  process.on("SIGCONT", onContinue);
  return () => {
    process.off("SIGUSR2", toggle);
    process.off("SIGCONT", onContinue);
    stdin.off("data", onKey);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

/** The terminal stops a job in the background that changes its settings. True where that cannot be known. */
function inForeground(): boolean {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    // Behind the name in brackets: state, parent, process group, session, terminal, its foreground group.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    return true;
  }
}
