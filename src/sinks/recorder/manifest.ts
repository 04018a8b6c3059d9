import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TrackSource } from "../../core/frame.ts";
import { diskError } from "./block-writer.ts";
import type {
  FileClosed,
  FileFormat,
  FileOpened,
  FileTrack,
  JournalEntry,
  ParticipantStatistics,
} from "./journal.ts";

/** Name of the manifest inside the session directory. */
export const MANIFEST_FILE = "manifest.json";

/** A finished file in the manifest. */
export type ManifestFile = {
  /** Relative to the session directory. */
  readonly path: string;
  readonly participant: string;
  readonly participantId: string;
  readonly source: TrackSource;
  readonly format: FileFormat;
  /** Where the file starts on the session's timeline. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly tracks: readonly FileTrack[];
  readonly recovered?: true;
};

/** Everything about a session, for programs. */
export type Manifest = {
  readonly version: 1;
  readonly room: string;
  /** ISO 8601. Time zero of every `...Ms`. */
  readonly startedAt: string;
  /** Times the recorder had to start again. */
  readonly restarts: number;
  /** False while files are missing that were begun. */
  readonly complete: boolean;
  readonly participants: readonly { id: string; name: string; joinedMs: number; leftMs?: number }[];
  readonly files: readonly ManifestFile[];
  readonly sizes: readonly { path: string; atMs: number; width: number; height: number }[];
  readonly gaps: readonly { path: string; kind: string; fromMs: number; toMs: number; cause: string }[];
  /** Keys of telephones that were pressed. */
  readonly digits: readonly { participantId: string; digit: string; atMs: number; durationMs: number }[];
  readonly statistics: readonly ParticipantStatistics[];
  /** What was wrong with what came in, by name, over the whole session. */
  readonly faults: Readonly<Record<string, number>>;
};

/** The manifest that a journal amounts to. */
export function manifestOf(entries: readonly JournalEntry[]): Manifest {
  const sessions = entries.filter((e) => e.t === "session");
  const zero = entries.find((e) => e.t === "first-media");
  const opened = entries.filter((e) => e.t === "file-open");
  const closed = new Map(entries.filter((e) => e.t === "file-close").map((e) => [e.id, e]));
  const left = new Map(entries.filter((e) => e.t === "participant-left").map((e) => [e.id, e.leftMs]));
  const files = opened.flatMap((o) => {
    const c = closed.get(o.id);
    return c ? [file(o, c)] : [];
  });
  const path = (id: string) => closed.get(id)?.path ?? "";
  return {
    version: 1,
    room: sessions[0]?.room ?? "",
    startedAt: new Date(zero?.at ?? sessions[0]?.startedAt ?? 0).toISOString(),
    restarts: Math.max(0, sessions.length - 1),
    complete: files.length === opened.length,
    participants: entries
      .filter((e) => e.t === "participant")
      .map(({ id, name, joinedMs }) => {
        const leftMs = left.get(id);
        return { id, name, joinedMs, ...(leftMs === undefined ? {} : { leftMs }) };
      }),
    files,
    sizes: entries.filter((e) => e.t === "size").map(({ t: _, id, ...e }) => ({ path: path(id), ...e })),
    gaps: [
      ...entries.filter((e) => e.t === "gap").map(({ t: _, id, ...e }) => ({ path: path(id), ...e })),
      ...restartGaps(entries, files),
    ],
    digits: entries.filter((e) => e.t === "digit").map(({ t: _, ...e }) => e),
    statistics: entries.filter((e) => e.t === "statistics").map(({ t: _, ...e }) => e),
    faults: sumOfFaults(entries),
  };
}

/** What is missing of a participant between the files of an attempt and those of the next. */
function restartGaps(entries: readonly JournalEntry[], files: readonly ManifestFile[]): Manifest["gaps"] {
  const out: Manifest["gaps"][number][] = [];
  const known = new Map<string, { attempt: number; endMs: number }>();
  let attempt = 0;
  const attemptOf = new Map<string, number>();
  for (const e of entries) {
    if (e.t === "session") attempt = e.attempt;
    else if (e.t === "file-open") attemptOf.set(e.stem, attempt);
  }
  for (const f of files.toSorted((a, b) => a.startMs - b.startMs)) {
    const who = `${f.participantId}/${f.source}`;
    const at = attemptOf.get(f.path.replace(/\.[^.]+$/, "")) ?? 0;
    const before = known.get(who);
    if (before && before.attempt !== at && f.startMs > before.endMs)
      out.push({ path: f.path, kind: "all", fromMs: before.endMs, toMs: f.startMs, cause: "restart" });
    known.set(who, { attempt: at, endMs: Math.max(before?.endMs ?? 0, f.startMs + f.durationMs) });
  }
  return out;
}

function sumOfFaults(entries: readonly JournalEntry[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const e of entries) {
    if (e.t !== "faults") continue;
    for (const [name, n] of Object.entries(e.counts)) sums[name] = (sums[name] ?? 0) + n;
  }
  return sums;
}

function file(o: FileOpened, c: FileClosed): ManifestFile {
  return {
    path: c.path,
    participant: o.participant,
    participantId: o.participantId,
    source: o.source,
    format: c.format,
    startMs: o.startMs,
    durationMs: c.durationMs,
    bytes: c.bytes,
    tracks: c.tracks,
    ...(c.recovered ? { recovered: true as const } : {}),
  };
}

/** Writes the manifest whole or not at all. Throws a RoomtapError `output-unwritable` or `disk-full`. */
export function writeManifest(directory: string, manifest: Manifest): void {
  const path = join(directory, MANIFEST_FILE);
  try {
    writeFileSync(`${path}.tmp`, `${JSON.stringify(manifest, null, 2)}\n`);
    renameSync(`${path}.tmp`, path);
  } catch (cause) {
    rmSync(`${path}.tmp`, { force: true });
    throw diskError(path, cause);
  }
}
