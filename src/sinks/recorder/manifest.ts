import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CodecName, MediaKind, Rotation, TrackSource } from "../../core/frame.ts";
import { diskError } from "./block-writer.ts";
import type { FileClosed, FileOpened, FileTrack, JournalEntry, ParticipantStatistics } from "./journal.ts";
import type { FileFormat } from "./output.ts";

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

/**
 * Something that happened, on the session's timeline. `atMs`: when it was, or began; `toMs`: when it ended.
 * `path`: the file it is in, where it is in one.
 */
export type SessionEvent = { readonly atMs: number } & (
  | { readonly type: "join" | "leave"; readonly participantId: string }
  /** Nothing more comes of a microphone or camera, because the sender does not send; and it comes again. */
  | { readonly type: "mute" | "unmute"; readonly participantId: string; readonly kind: MediaKind }
  /** The participant's voice was above the room's noise (RFC 6464 levels). */
  | { readonly type: "speaking"; readonly participantId: string; readonly toMs: number }
  | {
      readonly type: "resize";
      readonly participantId: string;
      readonly path: string;
      readonly width: number;
      readonly height: number;
    }
  | {
      readonly type: "rotate";
      readonly participantId: string;
      readonly path: string;
      readonly rotation: Rotation;
    }
  | {
      readonly type: "codec";
      readonly participantId: string;
      readonly kind: MediaKind;
      readonly codec: CodecName;
    }
  | {
      readonly type: "gap";
      readonly participantId: string;
      readonly path: string;
      readonly kind: MediaKind | "all";
      readonly toMs: number;
      readonly cause: GapCause;
    }
  | { readonly type: "keyframe-request"; readonly participantId: string }
  /** What was lost and came back; `media` is the connection to one participant. */
  | {
      readonly type: "reconnect";
      readonly what: "signalling" | "media" | "process";
      readonly participantId?: string;
      readonly toMs: number;
    }
  /** The recording was paused. `collapsed`: files go on as if no time had passed. */
  | { readonly type: "pause"; readonly toMs: number; readonly collapsed: boolean }
);

/** Why media is missing between two times. */
export type GapCause = "loss" | "silence" | "disk" | "restart" | "outage" | "pause";

/** What places a track on the session's time, and how sure that is. */
export type SyncReport = {
  /** Capture times in the packets, sender reports, or arrival alone. */
  readonly by: "capture" | "reports" | "arrival";
  /** Sender reports received. */
  readonly reports: number;
  /** By how much the sender's media clock is fast against its wall clock, parts per million. */
  readonly slopePpm?: number;
  /** How far the reports lie off the line through them, milliseconds (median). */
  readonly residualMs?: number;
  /** Milliseconds added to the sender's wall clock to get ours. */
  readonly offsetMs?: number;
  /** `high`: reports agree within 10 ms; `medium`: fewer or worse; `low`: arrival times only. */
  readonly confidence: "high" | "medium" | "low";
};

/** One incoming stream of a participant. */
export type ManifestTrack = {
  readonly participantId: string;
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly codec: CodecName;
  readonly ssrc: number;
  readonly sync: SyncReport;
  /** `expected = received + recovered + lost + pending`, in sequence numbers. */
  readonly loss: {
    readonly expected: number;
    readonly received: number;
    readonly recovered: number;
    readonly lost: number;
    readonly pending: number;
  };
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
  const opened = entries.filter((e) => e.t === "file-open");
  const closed = new Map(entries.filter((e) => e.t === "file-close").map((e) => [e.id, e]));
  const left = new Map(entries.filter((e) => e.t === "participant-left").map((e) => [e.id, e.leftMs]));
  const files = opened.flatMap((o) => {
    const c = closed.get(o.id);
    return c ? [file(o, c)] : [];
  });
  const events = eventsOf(entries, files);
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
    tracks: [],
    files,
    events,
    gaps: events.flatMap((e) =>
      e.type === "gap" ? [{ path: e.path, kind: e.kind, fromMs: e.atMs, toMs: e.toMs, cause: e.cause }] : [],
    ),
    digits: entries.filter((e) => e.t === "digit").map(({ t: _, ...e }) => e),
    statistics: entries.filter((e) => e.t === "statistics").map(({ t: _, ...e }) => e),
    faults: sumOfFaults(entries),
  };
}

/** What happened, in order of time. */
function eventsOf(entries: readonly JournalEntry[], files: readonly ManifestFile[]): SessionEvent[] {
  const opened = new Map(entries.filter((e) => e.t === "file-open").map((e) => [e.id, e]));
  const closed = new Map(entries.filter((e) => e.t === "file-close").map((e) => [e.id, e]));
  const place = (id: string) => ({
    participantId: opened.get(id)?.participantId ?? "",
    path: closed.get(id)?.path ?? "",
  });
  const events = entries.flatMap((e): SessionEvent[] => {
    switch (e.t) {
      case "participant":
        return [{ atMs: e.joinedMs, type: "join", participantId: e.id }];
      case "participant-left":
        return [{ atMs: e.leftMs, type: "leave", participantId: e.id }];
      case "size":
        return [{ atMs: e.atMs, type: "resize", ...place(e.id), width: e.width, height: e.height }];
      case "gap":
        return [{ atMs: e.fromMs, type: "gap", ...place(e.id), kind: e.kind, toMs: e.toMs, cause: e.cause }];
      default:
        return [];
    }
  });
  return [...events, ...restartGaps(entries, files)].toSorted((a, b) => a.atMs - b.atMs);
}

/** What is missing of a participant between the files of an attempt and those of the next. */
function restartGaps(entries: readonly JournalEntry[], files: readonly ManifestFile[]): SessionEvent[] {
  const out: SessionEvent[] = [];
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
      out.push({
        atMs: before.endMs,
        type: "gap",
        participantId: f.participantId,
        path: f.path,
        kind: "all",
        toMs: f.startMs,
        cause: "restart",
      });
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
