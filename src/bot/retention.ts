import { lstat, open, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { WallMillis } from "../core/time.ts";
import { JOURNAL_FILE } from "../sinks/recorder/journal.ts";
import { MANIFEST_FILE } from "../sinks/recorder/manifest.ts";
import { amount } from "./amounts.ts";
import type { NoticeMessage } from "./job.ts";
import type { KeepRule } from "./keep-rule.ts";
import { isLocked, LOCK_FILE, takeSession } from "./session-lock.ts";

/** How `sessionDirectory` names its directories: a stem, the time, a number where there are more. */
const NAME = /^.+-\d{4}-\d{2}-\d{2}T\d{6}Z(?:-\d+)?$/;
/** The journal's first line is shorter. */
const FIRST_LINE = 8192;
/** No manifest of ours is larger. */
const MAX_MANIFEST = 256e6;

/** A session on disk. */
export type StoredSession = {
  readonly path: string;
  readonly bytes: number;
  /** Unix milliseconds. Absent: not finished, or not complete, or somebody works in it; it is not removed. */
  readonly endedAt?: number;
};

/** What to keep where. */
export type RetentionOptions = {
  /** The directory that sessions are made in; nothing outside it is touched. */
  readonly out: string;
  readonly rule: KeepRule;
  /** The session that has just ended: it counts, and stays. */
  readonly present?: string | undefined;
  readonly now: WallMillis;
  readonly onNotice: (notice: Pick<NoticeMessage, "level" | "text">) => void;
};

/**
 * Removes the oldest complete sessions until the rule holds, and says which. Only what is certainly a session of
 * ours is touched: a directory of its name, not a link, with its journal and a manifest that says it is complete.
 * Never rejects: what cannot be removed is said. Resolves with what was removed.
 */
export async function applyRetention(o: RetentionOptions): Promise<readonly StoredSession[]> {
  const present = o.present === undefined ? undefined : basename(resolve(o.present));
  const sessions = await sessionsIn(o.out);
  const oldest = sessions
    .flatMap((s) =>
      s.endedAt === undefined || basename(s.path) === present ? [] : [{ ...s, endedAt: s.endedAt }],
    )
    .sort((a, b) => a.endedAt - b.endedAt);
  const { age, size } = o.rule;
  const removed: StoredSession[] = [];
  let bytes = sessions.reduce((n, s) => n + s.bytes, 0);
  for (const session of oldest) {
    const old = age !== undefined && o.now - session.endedAt > age.ms;
    if (!old && !(size !== undefined && bytes > size.bytes)) continue;
    const failure = await removeSession(session.path);
    if (failure !== undefined) {
      o.onNotice({ level: "warn", text: `${session.path} cannot be removed (${failure})` });
      continue;
    }
    const ended = new Date(session.endedAt).toISOString().slice(0, 16).replace("T", " ");
    const why = `--keep ${old ? age.text : (size?.text ?? "")}`;
    o.onNotice({
      level: "info",
      text: `removed ${session.path} (${amount(session.bytes)}, ended ${ended} UTC): ${why}`,
    });
    bytes -= session.bytes;
    removed.push(session);
  }
  if (size !== undefined && bytes > size.bytes) {
    o.onNotice({
      level: "warn",
      text: `the sessions in ${o.out} take ${amount(bytes)} in spite of --keep ${size.text}: those that are left are in use, incomplete (roomtap repair), or this one`,
    });
  }
  return removed;
}

/** All sessions of ours in a directory, in no order. Empty where it cannot be read. */
export async function sessionsIn(out: string): Promise<readonly StoredSession[]> {
  let names: string[];
  try {
    names = (await readdir(out, { withFileTypes: true })).filter((e) => e.isDirectory()).map((e) => e.name);
  } catch {
    return [];
  }
  const found: StoredSession[] = [];
  for (const name of names) {
    if (!NAME.test(name)) continue;
    const path = join(out, name);
    if (!(await isSession(path))) continue;
    const endedAt = isLocked(path) ? undefined : await endOf(path);
    found.push({ path, bytes: await bytesBelow(path), ...(endedAt === undefined ? {} : { endedAt }) });
  }
  return found;
}

/** The journal is there, and begins as ours do. */
async function isSession(path: string): Promise<boolean> {
  const head = await firstLine(join(path, JOURNAL_FILE));
  const entry = head === undefined ? undefined : objectOf(head);
  return entry?.t === "session" && entry.version === 1;
}

/** When a session ended; undefined unless its manifest says that it did and that nothing is missing. */
async function endOf(path: string): Promise<number | undefined> {
  const file = join(path, MANIFEST_FILE);
  try {
    const stat = await lstat(file);
    if (!stat.isFile() || stat.size > MAX_MANIFEST) return undefined;
    const manifest = objectOf(await readFile(file, "utf8"));
    if (manifest?.version !== 1 || manifest.complete !== true) return undefined;
    const { startedAt, durationMs } = manifest;
    if (typeof startedAt !== "string" || typeof durationMs !== "number") return undefined;
    const endedAt = Date.parse(startedAt) + durationMs;
    // A clock that was wrong during the session would make it look old: the later of the two is believed.
    return Number.isFinite(endedAt) ? Math.max(endedAt, stat.mtimeMs) : undefined;
  } catch {
    return undefined;
  }
}

/** The first line of a file that is no link; undefined when there is none. */
async function firstLine(path: string): Promise<string | undefined> {
  try {
    if (!(await lstat(path)).isFile()) return undefined;
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE), 0, FIRST_LINE, 0);
      return buffer.toString("utf8", 0, bytesRead).split("\n", 1)[0];
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Sizes of all files in a directory; what a link points to is not in it. */
async function bytesBelow(path: string): Promise<number> {
  let bytes = 0;
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const below = join(path, entry.name);
      bytes += entry.isDirectory() ? await bytesBelow(below) : (await lstat(below)).size;
    }
  } catch {
    // It is being removed, or written.
  }
  return bytes;
}

/** Why a session could not be removed; undefined: it is gone. */
async function removeSession(path: string): Promise<string | undefined> {
  // What proves that it is ours goes last: a removal that is interrupted is finished by the next.
  const last = [LOCK_FILE, MANIFEST_FILE, JOURNAL_FILE];
  const others = async () => (await readdir(path)).filter((name) => !last.includes(name));
  try {
    const release = takeForRemoval(path);
    if (!release) return "somebody works in it";
    try {
      for (const name of await others()) await rm(join(path, name), { recursive: true, force: true });
      if ((await others()).length > 0) return "ENOTEMPTY";
    } finally {
      release();
    }
    for (const name of last) await rm(join(path, name), { force: true });
    await rmdir(path);
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    return code === "ENOENT" ? undefined : (code ?? "unknown failure");
  }
}

/** As `takeSession`. A full disk has no room for a lock; that must not keep it full. */
function takeForRemoval(path: string): (() => void) | undefined {
  try {
    return takeSession(path);
  } catch (error) {
    if (codeOf(error) !== "ENOSPC") throw error;
    return () => undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
