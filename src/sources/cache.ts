import { createHash, randomBytes } from "node:crypto";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RoomtapError } from "../core/fault.ts";

/** Where prepared media is kept: ROOMTAP_CACHE, else `roomtap` in the user's cache directory. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ROOMTAP_CACHE) return env.ROOMTAP_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "roomtap");
}

/** Name of a cached file: `prefix`, and a hash of everything its content depends on. */
export function cacheName(prefix: string, key: readonly (string | number)[]): string {
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 16);
  return `${prefix}-${hash}.mkv`;
}

/** Path of a file in the cache, or undefined when it is not there. */
export async function findCached(dir: string, name: string): Promise<string | undefined> {
  const path = join(dir, name);
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() && found.size > 0 ? path : undefined;
}

/**
 * Path of a file in the cache; `make` writes it when it is not there, to a name of its own that becomes the
 * real one only when the file is complete. Two processes may make the same file at once: the later one wins,
 * and readers of the earlier one keep theirs. Errors: output-unwritable, disk-full; what `make` rejects with.
 */
export async function cached(
  dir: string,
  name: string,
  make: (path: string) => Promise<void>,
): Promise<string> {
  const found = await findCached(dir, name);
  if (found !== undefined) return found;
  const path = join(dir, name);
  const draft = join(dir, `.${name}.${process.pid}-${randomBytes(4).toString("hex")}.mkv`);
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `cannot create the cache directory ${dir}`, {
      hint: "set ROOMTAP_CACHE to a directory that can be written",
      cause,
    });
  }
  try {
    await make(draft);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    if (!(error instanceof Error) || !/No space left on device|ENOSPC/.test(error.message)) throw error;
    throw new RoomtapError("disk-full", `there is no space left in the cache directory ${dir}`, {
      hint: "make room, or set ROOMTAP_CACHE to another directory",
      cause: error,
    });
  }
  return path;
}
