import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { FileOpened, JournalEntry } from "./journal.ts";
import { MANIFEST_FILE } from "./manifest.ts";
import type { AskedFormat } from "./output.ts";
import { isPlainName } from "./trusted-journal.ts";

/** What a recorder writes first. */
const unfinished = /\.(?:webm|mkv)\.part$/;
/** What may be the result of a recording. */
const finished = /\.(?:webm|mkv|mp4|ogg)$/;

/** A media file that no journal tells of, described as far as it can be. */
export type FoundFile = { readonly name: string; readonly opened: FileOpened };

/** The regular files of a directory, by name; links and the like are none. */
export function regularFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((e) => e.isFile() && isPlainName(e.name))
    .map((e) => e.name)
    .sort();
}

/** Size of a regular file; undefined where there is none, or something else. */
export function fileSize(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : undefined;
}

/**
 * The media files of a session directory that its journal does not tell of: recordings that were not completed, and
 * those that were where the journal, or what it said of their beginning, is gone. An earlier manifest tells whose
 * they are.
 */
export function foundFiles(
  directory: string,
  entries: readonly JournalEntry[],
  format: AskedFormat,
): FoundFile[] {
  const opened = entries.filter((e) => e.t === "file-open");
  const ids = new Set(opened.map((e) => e.id));
  const ended = entries.filter((e) => e.t === "file-complete" || e.t === "file-close");
  const known = new Set([
    ...opened.map((e) => e.temp),
    ...ended.flatMap((e) => (ids.has(e.id) ? [e.path] : [])),
  ]);
  const lost = !entries.some((e) => e.t === "session");
  const before = described(directory);
  const ours = new Set<unknown>([...ended.map((e) => e.path), ...before.map((f) => f.path)]);
  return regularFiles(directory)
    .filter((name) => !known.has(name))
    .filter((name) => unfinished.test(name) || (finished.test(name) && (lost || ours.has(name))))
    .map((name) => ({ name, opened: describe(name, format, before) }));
}

/** Names of what a conversion of this file writes, until it is done; another recording may be called so as well. */
export function halfMade({ stem }: FileOpened): RegExp {
  return new RegExp(
    `^${stem.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?:-\\d+)?\\.(?:webm|mkv|mp4|ogg)\\.part$`,
    "u",
  );
}

/** Room and start of a session, from the name of its directory; else the directory's own. */
export function sessionOf(directory: string): Extract<JournalEntry, { t: "session" }> {
  const m = /^(.+)-(\d{4}-\d\d-\d\dT)(\d\d)(\d\d)(\d\dZ)(?:-\d+)?$/.exec(basename(directory));
  const named = m ? Date.parse(`${m[2]}${m[3]}:${m[4]}:${m[5]}`) : Number.NaN;
  const startedAt = Number.isNaN(named) ? Math.round(lstatSync(directory).birthtimeMs) : named;
  return { t: "session", version: 1, room: m?.[1] ?? basename(directory), startedAt, attempt: 0 };
}

function describe(
  name: string,
  format: AskedFormat,
  files: readonly Readonly<Record<string, unknown>>[],
): FileOpened {
  const stem = name.replace(unfinished, "").replace(finished, "");
  const before = files.find((f) => stemOf(f.path) === stem);
  const text = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
  return {
    t: "file-open",
    id: `found-${stem}`,
    temp: name,
    stem,
    format,
    participant: text(before?.participant, stem),
    participantId: text(before?.participantId, `found-${stem}`),
    source: before?.source === "screen" ? "screen" : "camera",
    startMs: typeof before?.startMs === "number" ? before.startMs : 0,
  };
}

/** The files that the manifest of an earlier moment tells of. */
function described(directory: string): Record<string, unknown>[] {
  const path = join(directory, MANIFEST_FILE);
  if (fileSize(path) === undefined) return [];
  try {
    const { files } = JSON.parse(readFileSync(path, "utf8")) as { files?: unknown };
    return Array.isArray(files) ? files.filter((f) => typeof f === "object" && f !== null) : [];
  } catch {
    return [];
  }
}

function stemOf(path: unknown): string | undefined {
  return typeof path === "string" ? path.replace(/\.[^.]+$/, "") : undefined;
}
