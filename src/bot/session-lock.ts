import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** Name of the file that says who is at work in a session directory. */
export const LOCK_FILE = "session.lock";

/** Whoever works in a session directory: a process, told apart from a later one of the same id by its start. */
type Holder = { readonly host: string; readonly pid: number; readonly start?: string };

/**
 * Says that this process is at work in a session directory. Returns how to say that it no longer is. A directory
 * that cannot be written to is not locked; what is written next says so.
 */
export function lockSession(directory: string): () => void {
  const path = join(directory, LOCK_FILE);
  const start = startOf(process.pid);
  const holder: Holder = { host: hostname(), pid: process.pid, ...(start === undefined ? {} : { start }) };
  try {
    writeFileSync(path, `${JSON.stringify(holder)}\n`);
  } catch {
    return () => undefined;
  }
  return () => rmSync(path, { force: true });
}

/** Somebody is at work in a session directory: a process that lives, or one on another machine. */
export function isLocked(directory: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(directory, LOCK_FILE), "utf8");
  } catch (error) {
    // What is there and cannot be read may be anybody's.
    return !(error instanceof Error && "code" in error && error.code === "ENOENT");
  }
  const holder = holderOf(text);
  // The disk was full, or the process died, before it had said who it was.
  if (!holder) return false;
  if (holder.host !== hostname()) return true;
  return isAlive(holder.pid) && (holder.start === undefined || startOf(holder.pid) === holder.start);
}

function holderOf(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { host, pid, start } = value as Partial<Record<keyof Holder, unknown>>;
    if (typeof host !== "string" || typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0)
      return undefined;
    return { host, pid, ...(typeof start === "string" ? { start } : {}) };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** When a process was started, in the system's own count since it was; undefined where Linux does not tell. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // The name stands in brackets and may itself hold brackets and spaces; the start is field 22.
    return `${boot}/${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
  } catch {
    return undefined;
  }
}
