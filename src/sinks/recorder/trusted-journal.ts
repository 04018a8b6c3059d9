import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RoomtapError } from "../../core/fault.ts";
import { JOURNAL_FILE, type JournalEntry, readJournal } from "./journal.ts";
import type { AskedFormat } from "./output.ts";

/** What a journal with entries that cannot be acted upon is called afterwards. */
export const DISTRUSTED_FILE = "journal.distrusted.jsonl";

/** Longest name that file systems take, octets. */
const MAX_NAME = 255;
/** The last moment that a date can tell, Unix milliseconds. */
const MAX_DATE = 8.64e15;

/** Containers that are asked for. */
export const formats: ReadonlySet<string> = new Set(
  Object.keys({ auto: true, webm: true, mkv: true, mp4: true, ogg: true } satisfies Record<
    AskedFormat,
    true
  >),
);

/** What a field of an entry has to be, to be acted upon. */
type Shape = "text" | "number" | "date" | "name" | "format" | "list" | "tracks" | "object";

/** The fields that others rely on, by the entry's `t`. What is not named here passes. */
const shapes: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  session: { room: "text", startedAt: "date", attempt: "number" },
  "first-media": { at: "date" },
  participant: { id: "text", name: "text", joinedMs: "number" },
  "participant-left": { id: "text", leftMs: "number" },
  "file-open": {
    id: "text",
    temp: "name",
    stem: "name",
    format: "format",
    participant: "text",
    participantId: "text",
    source: "text",
    startMs: "number",
  },
  "file-empty": { id: "text" },
  "file-complete": { id: "text", path: "name" },
  "file-close": {
    id: "text",
    path: "name",
    format: "format",
    durationMs: "number",
    bytes: "number",
    tracks: "tracks",
  },
  size: { id: "text", atMs: "number", width: "number", height: "number" },
  gap: { id: "text", kind: "text", fromMs: "number", toMs: "number", cause: "text" },
  statistics: { participantId: "text", tracks: "list", connections: "list" },
  digit: { participantId: "text", digit: "text", atMs: "number", durationMs: "number" },
  codec: { participantId: "text", kind: "text", codec: "text", atMs: "number" },
  rotation: { participantId: "text", rotation: "number", atMs: "number" },
  speaking: { participantId: "text", fromMs: "number", toMs: "number" },
  "keyframe-request": { participantId: "text", atMs: "number" },
  outage: { what: "text", fromMs: "number", toMs: "number" },
  pause: { fromMs: "number", toMs: "number", lengthMs: "number" },
  checksum: { id: "text", sha256: "text" },
  poster: { id: "text", path: "name" },
  "contact-sheet": { path: "name" },
  faults: { counts: "object" },
  end: { atMs: "number" },
};

/**
 * The entries of a session's journal that can be acted upon, whoever wrote it: complete in what they must tell, and
 * with names of files in the session directory alone. Throws a RoomtapError `incomplete` when the journal is not a
 * file of its own but leads somewhere else.
 */
export function readTrustedJournal(directory: string): JournalEntry[] {
  const path = join(directory, JOURNAL_FILE);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat && !stat.isFile())
    throw new RoomtapError("incomplete", `${path} is not a file; nothing is touched`);
  return readJournal(directory).filter(isTrusted);
}

/**
 * Writes the journal anew without what cannot be acted upon, so that whoever reads it is safe; the old one is kept
 * beside it. Does nothing where there is nothing of the kind. Throws what the file system throws.
 */
export function cleanJournal(directory: string): void {
  const trusted = readTrustedJournal(directory);
  if (trusted.length === readJournal(directory).length) return;
  const path = join(directory, JOURNAL_FILE);
  const draft = `${path}.tmp`;
  rmSync(draft, { force: true });
  writeFileSync(draft, trusted.map((e) => `${JSON.stringify(e)}\n`).join(""), { flag: "wx" });
  renameSync(path, join(directory, DISTRUSTED_FILE));
  renameSync(draft, path);
}

/** True for a name that stays in its directory. */
export function isPlainName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no file of ours is called so, and some mean harm.
  if (/[/\\\u0000-\u001f]/.test(name) || name === "" || name.startsWith(".")) return false;
  return Buffer.byteLength(name) <= MAX_NAME;
}

function isTrusted(entry: JournalEntry): boolean {
  const shape = Object.hasOwn(shapes, entry.t) ? shapes[entry.t] : undefined;
  const fields: Readonly<Record<string, unknown>> = entry;
  return shape === undefined || Object.entries(shape).every(([name, wanted]) => fits(fields[name], wanted));
}

function fits(value: unknown, shape: Shape): boolean {
  switch (shape) {
    case "text":
      return typeof value === "string";
    case "name":
      return typeof value === "string" && isPlainName(value);
    case "format":
      return typeof value === "string" && formats.has(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "date":
      return typeof value === "number" && Math.abs(value) <= MAX_DATE;
    case "object":
      return typeof value === "object" && value !== null;
    case "list":
      return Array.isArray(value) && value.every((v) => fits(v, "object"));
    case "tracks":
      return fits(value, "list") && (value as Record<string, unknown>[]).every(isTrack);
  }
}

function isTrack(t: Readonly<Record<string, unknown>>): boolean {
  return (t.kind === "audio" || t.kind === "video") && fits(t.codec, "text") && fits(t.frames, "number");
}
