import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MediaKind, TrackSource } from "../../core/frame.ts";
import { diskError } from "./block-writer.ts";
import type { FileClosed, FileOpened, FileTrack, JournalEntry, ParticipantStatistics } from "./journal.ts";
import { type ManifestTrack, tracksOf } from "./manifest-tracks.ts";
import type { FileFormat } from "./output.ts";
import { eventsOf, type GapCause, type SessionEvent } from "./session-events.ts";

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
  /** Of the whole file, hexadecimal. */
  readonly sha256?: string;
  readonly tracks: readonly FileTrack[];
  readonly recovered?: true;
  /** A picture from the middle of the video, relative to the session directory. */
  readonly poster?: string;
};

/** Everything about a session, for programs. */
export type Manifest = {
  readonly version: 1;
  readonly room: string;
  /** ISO 8601. Time zero of every `...Ms`. */
  readonly startedAt: string;
  /** From time zero to the end of what was recorded; absent while the session runs. */
  readonly durationMs?: number;
  /** Times the recorder had to start again. */
  readonly restarts: number;
  /** False while files are missing that were begun. */
  readonly complete: boolean;
  readonly participants: readonly { id: string; name: string; joinedMs: number; leftMs?: number }[];
  /** Every stream that anything was received of. */
  readonly tracks: readonly ManifestTrack[];
  readonly files: readonly ManifestFile[];
  /** What happened, in order of `atMs`. */
  readonly events: readonly SessionEvent[];
  /** The gaps among `events`. */
  readonly gaps: readonly {
    path: string;
    kind: MediaKind | "all";
    fromMs: number;
    toMs: number;
    cause: GapCause;
  }[];
  /** Keys of telephones that were pressed. */
  readonly digits: readonly { participantId: string; digit: string; atMs: number; durationMs: number }[];
  /** A sheet of pictures of all videos, relative to the session directory. */
  readonly contactSheet?: string;
  readonly statistics: readonly ParticipantStatistics[];
  /** What was wrong with what came in, by name, over the whole session. */
  readonly faults: Readonly<Record<string, number>>;
};

/** The manifest that a journal amounts to. */
export function manifestOf(entries: readonly JournalEntry[]): Manifest {
  const sessions = entries.filter((e) => e.t === "session");
  const zero = entries.find((e) => e.t === "first-media");
  const empty = new Set(entries.filter((e) => e.t === "file-empty").map((e) => e.id));
  const opened = entries.filter((e) => e.t === "file-open").filter((e) => !empty.has(e.id));
  const closed = new Map(entries.filter((e) => e.t === "file-close").map((e) => [e.id, e]));
  const sums = new Map<string, string>();
  for (const e of entries) {
    // Of a file that was closed anew it says nothing.
    if (e.t === "file-close") sums.delete(e.id);
    else if (e.t === "checksum") sums.set(e.id, e.sha256);
  }
  const posters = new Map(entries.filter((e) => e.t === "poster").map((e) => [e.id, e.path]));
  const sheet = entries.findLast((e) => e.t === "contact-sheet")?.path;
  const end = entries.findLast((e) => e.t === "end");
  const files = opened.flatMap((o) => {
    const c = closed.get(o.id);
    return c ? [file(o, c, sums.get(o.id), posters.get(o.id))] : [];
  });
  const events = eventsOf(entries, files);
  const statistics = entries.filter((e) => e.t === "statistics").map(({ t: _, ...e }) => e);
  return {
    version: 1,
    room: sessions[0]?.room ?? "",
    startedAt: new Date(zero?.at ?? sessions[0]?.startedAt ?? 0).toISOString(),
    ...(end ? { durationMs: end.atMs } : {}),
    restarts: Math.max(0, sessions.length - 1),
    complete: files.length === opened.length,
    participants: participantsOf(entries),
    tracks: tracksOf(statistics),
    files,
    events,
    gaps: events.flatMap((e) =>
      e.type === "gap" ? [{ path: e.path, kind: e.kind, fromMs: e.atMs, toMs: e.toMs, cause: e.cause }] : [],
    ),
    digits: entries.filter((e) => e.t === "digit").map(({ t: _, ...e }) => e),
    ...(sheet === undefined ? {} : { contactSheet: sheet }),
    statistics,
    faults: sumOfFaults(entries),
  };
}

/** Everyone who was there, once: from when they first came to when they left for good. */
function participantsOf(entries: readonly JournalEntry[]): Manifest["participants"] {
  const known = new Map<string, { id: string; name: string; joinedMs: number; leftMs?: number }>();
  for (const e of entries) {
    if (e.t === "participant") {
      const { id, name, joinedMs } = e;
      known.set(id, { id, name, joinedMs: known.get(id)?.joinedMs ?? joinedMs });
    } else if (e.t === "participant-left") {
      const p = known.get(e.id);
      if (p) p.leftMs = e.leftMs;
    }
  }
  return [...known.values()];
}

function sumOfFaults(entries: readonly JournalEntry[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const e of entries) {
    if (e.t !== "faults") continue;
    for (const [name, n] of Object.entries(e.counts)) sums[name] = (sums[name] ?? 0) + n;
  }
  return sums;
}

function file(
  o: FileOpened,
  c: FileClosed,
  sha256: string | undefined,
  poster: string | undefined,
): ManifestFile {
  return {
    path: c.path,
    participant: o.participant,
    participantId: o.participantId,
    source: o.source,
    format: c.format,
    startMs: o.startMs,
    durationMs: c.durationMs,
    bytes: c.bytes,
    ...(sha256 === undefined ? {} : { sha256 }),
    tracks: c.tracks,
    ...(poster === undefined ? {} : { poster }),
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
