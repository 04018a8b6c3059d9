import {
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** Name of the file that says who is at work in a session directory. */
export const LOCK_FILE = "session.lock";

/** How often a holder shows that it lives, to machines that cannot see its process. Milliseconds. */
const BEAT_MS = 20_000;
/** A holder that cannot be told from another process, and has not shown it for this long, is gone. */
const SILENT_MS = 120_000;

/** Whoever works in a session directory: a process, told apart from a later one of the same id by its start. */
type Holder = { readonly host: string; readonly pid: number; readonly start?: string };

/**
 * Says that this process is at work in a session directory, whoever was before: for a directory of its own, and
 * for who goes on where another process died. Returns how to say that it no longer is. A directory that cannot be
 * written to is not locked; what is written next says so.
 */
export function lockSession(directory: string): () => void {
  const path = join(directory, LOCK_FILE);
  try {
    renameSync(writeOwn(path), path);
  } catch {
    return () => undefined;
  }
  return hold(path);
}

/**
 * The same, unless somebody is at work there: undefined then. Of two that try at once, one gets it. A full disk
 * throws its ENOSPC, a directory that must not be written to its EACCES or EROFS.
 */
export function takeSession(directory: string): (() => void) | undefined {
  const path = join(directory, LOCK_FILE);
  const own = writeOwn(path);
  try {
    if (isLocked(directory)) return undefined;
    // Out of the way rather than removed: whoever put a lock of their own there meanwhile gets it back.
    const old = `${own}.old`;
    try {
      renameSync(path, old);
      if (isHeld(old)) {
        linkSync(old, path);
        return undefined;
      }
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    } finally {
      rmSync(old, { force: true });
    }
    linkSync(own, path);
    sweep(directory);
    return hold(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Removes what processes left that died while they took a session. */
function sweep(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^session\.lock\.\d+(?:\.old)?$/.test(name)) rmSync(join(directory, name), { force: true });
  }
}

/** Somebody is at work in a session directory: a process that lives, or one on another machine. */
export function isLocked(directory: string): boolean {
  return isHeld(join(directory, LOCK_FILE));
}

/** Writes a lock of this process beside the place where it counts: there it is whole from the first moment. */
function writeOwn(path: string): string {
  const start = startOf(process.pid);
  const holder: Holder = { host: hostname(), pid: process.pid, ...(start === undefined ? {} : { start }) };
  const own = `${path}.${process.pid}`;
  rmSync(own, { force: true });
  try {
    writeFileSync(own, `${JSON.stringify(holder)}\n`, { flag: "wx" });
  } catch (error) {
    rmSync(own, { force: true });
    throw error;
  }
  return own;
}

/** Keeps a lock until it is released, or this process ends. */
function hold(path: string): () => void {
  const beat = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(path, now, now);
    } catch {
      // The directory went away; those who write into it find out.
    }
  }, BEAT_MS).unref();
  return () => {
    clearInterval(beat);
    const holder = read(path);
    if (typeof holder === "object" && isThisProcess(holder)) rmSync(path, { force: true });
  };
}

function isHeld(path: string): boolean {
  const holder = read(path);
  // What is there and cannot be read may be anybody's.
  if (holder === "unreadable") return true;
  // No process writes a lock that says nothing.
  if (holder === undefined) return false;
  const lately = Date.now() - changedAt(path) < SILENT_MS;
  if (holder.host !== hostname()) return lately;
  return isAlive(holder.pid) && (holder.start === undefined ? lately : startOf(holder.pid) === holder.start);
}

function isThisProcess(holder: Holder): boolean {
  const start = startOf(process.pid);
  return holder.host === hostname() && holder.pid === process.pid && holder.start === start;
}

function read(path: string): Holder | "unreadable" | undefined {
  let text: string;
  try {
    const stat = lstatSync(path);
    // A pipe, or a link to anywhere: no process made it, and whoever reads it may wait for ever.
    if (!stat.isFile() && !stat.isDirectory()) return undefined;
    text = readFileSync(path, "utf8");
  } catch (error) {
    return codeOf(error) === "ENOENT" ? undefined : "unreadable";
  }
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

function changedAt(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
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

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
