import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RoomtapError } from "../core/fault.ts";
import { CHAPTERS_FILE, chaptersOf } from "../sinks/recorder/chapters.ts";
import { addChecksums } from "../sinks/recorder/checksums.ts";
import { fileSize } from "../sinks/recorder/found-files.ts";
import { Journal } from "../sinks/recorder/journal.ts";
import { type Manifest, manifestOf, writeManifest } from "../sinks/recorder/manifest.ts";
import { makePictures } from "../sinks/recorder/pictures.ts";
import { readTrustedJournal } from "../sinks/recorder/trusted-journal.ts";

/** Nobody waits longer for pictures: so much for a session, and for each of its videos. Milliseconds. */
const PICTURES_MS = 3000;
const PICTURE_MS = 1000;
const MAX_PICTURES_MS = 30_000;

/** How to finish a session whose files are complete. */
export type FinishOptions = {
  /** For pictures; empty: none are made. */
  readonly ffmpeg: string;
  /** Aborted: what takes long is left out. */
  readonly skip: AbortSignal;
  readonly onProgress?: (share: number) => void;
  /** Pictures were left out, as they took too long. */
  readonly onNotice?: (text: string) => void;
  /** The disk takes no more: files and journal are there all the same. */
  readonly onFailure: (error: RoomtapError | Error) => void;
};

/**
 * What comes last of a session: posters and the contact sheet, checksums, chapters, the manifest. Resolves with the
 * manifest, which says how things are also where it could not be written; never rejects.
 */
export async function finishSession(directory: string, o: FinishOptions): Promise<Manifest> {
  try {
    const journal = new Journal(directory);
    try {
      sayEnd(directory, journal);
      await addPictures(directory, journal, o);
      await addChecksums(directory, journal, {
        signal: o.skip,
        ...(o.onProgress ? { onProgress: o.onProgress } : {}),
      });
    } finally {
      journal.close();
    }
  } catch (error) {
    o.onFailure(asError(error));
  }
  let manifest = manifestOf([]);
  try {
    manifest = manifestOf(readTrustedJournal(directory));
    if (manifest.files.length > 0) writeFileSync(join(directory, CHAPTERS_FILE), chaptersOf(manifest));
    writeManifest(directory, manifest);
  } catch (error) {
    o.onFailure(asError(error));
  }
  return manifest;
}

/** Says where the session ends, if the process that recorded it could not. */
function sayEnd(directory: string, journal: Journal): void {
  const entries = readTrustedJournal(directory);
  const last = entries.findLast((e) => e.t === "end" || e.t === "session");
  if (last?.t !== "session") return;
  const { files } = manifestOf(entries);
  journal.append({ t: "end", atMs: Math.max(0, ...files.map((f) => f.startMs + f.durationMs)) });
}

async function addPictures(directory: string, journal: Journal, o: FinishOptions): Promise<void> {
  if (o.ffmpeg === "" || o.skip.aborted) return;
  const entries = readTrustedJournal(directory);
  const { files, contactSheet: sheet } = manifestOf(entries);
  const isThere = (name: string | undefined) =>
    name !== undefined && fileSize(join(directory, name)) !== undefined;
  const pending = files.filter((f) => !isThere(f.poster) && f.tracks.some((t) => t.kind === "video"));
  if (pending.length === 0 && (sheet === undefined || isThere(sheet))) return;
  const budget = Math.min(MAX_PICTURES_MS, PICTURES_MS + PICTURE_MS * pending.length);
  const late = AbortSignal.timeout(budget);
  const { posters, contactSheet } = await makePictures({
    directory,
    files,
    ffmpeg: o.ffmpeg,
    signal: AbortSignal.any([o.skip, late]),
  });
  const notice = late.aborted ? leftOut(pending.length, posters.size, contactSheet !== undefined) : undefined;
  if (notice !== undefined) o.onNotice?.(notice);
  const ids = new Map(entries.flatMap((e) => (e.t === "file-close" ? [[e.path, e.id] as const] : [])));
  for (const [path, poster] of posters) {
    const id = ids.get(path);
    if (id !== undefined) journal.append({ t: "poster", id, path: poster });
  }
  if (contactSheet !== undefined) journal.append({ t: "contact-sheet", path: contactSheet });
}

/** What there was no time for, of so many posters and a contact sheet; undefined: nothing is missing. */
export function leftOut(wanted: number, made: number, sheet: boolean): string | undefined {
  const missing = [
    ...(made < wanted ? [`${wanted - made} of ${wanted} ${wanted === 1 ? "poster" : "posters"}`] : []),
    ...(sheet ? [] : ["the contact sheet"]),
  ];
  return missing.length === 0 ? undefined : `making pictures took too long, left out: ${missing.join(", ")}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
