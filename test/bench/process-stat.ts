import { readdirSync, readFileSync } from "node:fs";

/** What /proc/PID/stat says of a process; `ticks`: CPU time of user and system, in clock ticks. */
export type ProcessStat = { readonly pid: number; readonly parent: number; readonly ticks: number };

/** USER_HZ: every Linux that Node.js runs on counts 100 ticks a second in /proc. */
export const TICKS_PER_SECOND = 100;

/** Parses a line of /proc/PID/stat (proc(5)); the name in parentheses may hold anything. */
export function parseStat(line: string): ProcessStat | undefined {
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  const pid = Number.parseInt(line, 10);
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number);
  if (close < 0 || !Number.isInteger(pid) || parent === undefined) return undefined;
  if (user === undefined || system === undefined || Number.isNaN(parent + user + system)) return undefined;
  return { pid, parent, ticks: user + system };
}

/** The processes that `parent` started. */
export function childrenOf(parent: number, all: readonly ProcessStat[]): number[] {
  return all.filter((p) => p.parent === parent).map((p) => p.pid);
}

/** A running process; undefined: it has ended. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** All running processes; empty where there is no /proc. */
export function readAllStats(): ProcessStat[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readStat(Number(name)))
      .filter((s) => s !== undefined);
  } catch {
    return [];
  }
}
