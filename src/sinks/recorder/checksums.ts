import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Journal, JournalEntry } from "./journal.ts";
import { readTrustedJournal } from "./trusted-journal.ts";

/** Octets read at a time. */
const PIECE = 1024 * 1024;

/**
 * Notes the SHA-256 of every closed file of a session that has none yet. A file that cannot be read gets none; what is
 * aborted can be done later. `onProgress`: share of their octets, 0..1. Never rejects.
 */
export async function addChecksums(
  directory: string,
  journal: Journal,
  o: { readonly signal?: AbortSignal; readonly onProgress?: (share: number) => void } = {},
): Promise<void> {
  const pending = unsummed(readTrustedJournal(directory));
  const total = pending.reduce((n, f) => n + f.bytes, 0);
  let done = 0;
  for (const file of pending) {
    const hash = createHash("sha256");
    const source = createReadStream(join(directory, file.path), { highWaterMark: PIECE });
    source.on("data", (piece) => {
      done += piece.length;
      o.onProgress?.(total === 0 ? 1 : Math.min(1, done / total));
    });
    try {
      await pipeline(source, hash, o.signal ? { signal: o.signal } : {});
      journal.append({ t: "checksum", id: file.id, sha256: hash.digest("hex") });
    } catch {
      if (o.signal?.aborted) return;
    }
  }
}

/** Closed files, as they are now, without a checksum. */
function unsummed(entries: readonly JournalEntry[]): { id: string; path: string; bytes: number }[] {
  const open = new Map<string, { id: string; path: string; bytes: number }>();
  for (const e of entries) {
    if (e.t === "file-close") open.set(e.id, { id: e.id, path: e.path, bytes: e.bytes });
    else if (e.t === "checksum") open.delete(e.id);
  }
  return [...open.values()];
}
