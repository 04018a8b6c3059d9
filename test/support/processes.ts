import { readdirSync, readFileSync } from "node:fs";

/** A process as Linux shows it. */
export type ProcessInfo = { readonly pid: number; readonly ppid: number; readonly command: string };

/** A process by id; undefined when it is gone or only waits to be collected by its parent. */
export function processInfo(pid: number): ProcessInfo | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in brackets and may itself hold brackets and spaces.
    const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 2);
    if (state === "Z" || state === "X") return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    return { pid, ppid: Number(ppid), command };
  } catch {
    return undefined;
  }
}

/** The living children of a process. */
export function childrenOf(pid: number): ProcessInfo[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processInfo(Number(name)) ?? [])
    .filter((p) => p.ppid === pid);
}
