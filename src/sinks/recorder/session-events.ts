import type { CodecName, MediaKind, Rotation } from "../../core/frame.ts";
import type { FileOpened, JournalEntry } from "./journal.ts";

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
  | { readonly type: "rotate"; readonly participantId: string; readonly rotation: Rotation }
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
  /**
   * The recording was paused for `lengthMs`. `collapsed`: files, and this timeline, go on as if no time had passed;
   * then `toMs` is `atMs`.
   */
  | {
      readonly type: "pause";
      readonly toMs: number;
      readonly lengthMs: number;
      readonly collapsed: boolean;
    }
);

/** Why media is missing between two times. */
export type GapCause = "loss" | "silence" | "disk" | "restart" | "outage" | "pause";

/** A finished file, as far as events tell of it. */
type PlacedFile = {
  readonly path: string;
  readonly participantId: string;
  readonly source: string;
  readonly startMs: number;
  readonly durationMs: number;
};

/** Files that follow each other may lie apart by a picture or two. */
const SEAM_MS = 150;

/** Who does not send for this long has muted, or switched the camera off. */
const MUTE_MS = 2000;

type Gap = Extract<SessionEvent, { type: "gap" }>;
type Span = { readonly fromMs: number; readonly toMs: number };

/** What happened in a session, in order of time. */
export function eventsOf(entries: readonly JournalEntry[], files: readonly PlacedFile[]): SessionEvent[] {
  const opened = new Map(entries.filter((e) => e.t === "file-open").map((e) => [e.id, e]));
  const closed = new Map(entries.filter((e) => e.t === "file-close").map((e) => [e.id, e.path]));
  const place = (id: string) => ({
    participantId: opened.get(id)?.participantId ?? "",
    path: closed.get(id) ?? "",
  });
  const between = gapsBetweenFiles(entries, files);
  const reconnects = [...outagesOf(entries), ...restartsOf(between)];
  const events = entries.flatMap((e): SessionEvent[] => {
    switch (e.t) {
      case "participant":
        return [{ atMs: e.joinedMs, type: "join", participantId: e.id }];
      case "participant-left":
        return [{ atMs: e.leftMs, type: "leave", participantId: e.id }];
      case "size":
        return [{ atMs: e.atMs, type: "resize", ...place(e.id), width: e.width, height: e.height }];
      case "rotation":
        return [{ atMs: e.atMs, type: "rotate", participantId: e.participantId, rotation: e.rotation }];
      case "codec":
        return [
          { atMs: e.atMs, type: "codec", participantId: e.participantId, kind: e.kind, codec: e.codec },
        ];
      case "speaking":
        return [{ atMs: e.fromMs, type: "speaking", participantId: e.participantId, toMs: e.toMs }];
      case "keyframe-request":
        return [{ atMs: e.atMs, type: "keyframe-request", participantId: e.participantId }];
      case "pause":
        return [
          { atMs: e.fromMs, type: "pause", toMs: e.toMs, lengthMs: e.lengthMs, collapsed: e.collapsed },
        ];
      case "gap": {
        const { participantId, path } = place(e.id);
        const gap: Gap = {
          atMs: e.fromMs,
          type: "gap",
          participantId,
          path,
          kind: e.kind,
          toMs: e.toMs,
          cause: e.cause,
        };
        return withMutes({ ...gap, cause: causeOf(gap, entries, [...reconnects, ...between]) });
      }
      default:
        return [];
    }
  });
  return [...events, ...reconnects, ...between].toSorted((a, b) => a.atMs - b.atMs);
}

/** Nothing came because nothing was sent: muted from there to there. */
function withMutes(gap: Gap): SessionEvent[] {
  const { participantId, kind, atMs, toMs } = gap;
  if (gap.cause !== "silence" || kind === "all" || toMs - atMs < MUTE_MS) return [gap];
  return [
    { atMs, type: "mute", participantId, kind },
    gap,
    { atMs: toMs, type: "unmute", participantId, kind },
  ];
}

/** The recorder sees a hole only; what happened meanwhile says why. */
function causeOf(
  gap: Gap,
  entries: readonly JournalEntry[],
  away: readonly (Gap | Extract<SessionEvent, { type: "reconnect" }>)[],
): GapCause {
  if (gap.cause !== "loss" && gap.cause !== "silence") return gap.cause;
  const span = { fromMs: gap.atMs, toMs: gap.toMs };
  const paused = entries.some((e) => e.t === "pause" && (covers(e, span) || isSeam(e, gap)));
  if (paused) return "pause";
  // A connection counts as lost long after the last packet: what is missing right before belongs to it.
  const out = away.some(
    (r) =>
      (r.type === "gap" ? r.cause === "outage" : r.what === "media") &&
      r.participantId === gap.participantId &&
      overlap({ fromMs: r.atMs - SEAM_MS, toMs: r.toMs }, span) > 0,
  );
  return out ? "outage" : gap.cause;
}

function overlap(a: Span, b: Span): number {
  return Math.min(a.toMs, b.toMs) - Math.max(a.fromMs, b.fromMs);
}

/** A pause that was cut out has no length, but pictures go on with a keyframe only. */
function isSeam(pause: Span & { readonly collapsed: boolean }, gap: Gap): boolean {
  if (!pause.collapsed || gap.kind !== "video" || gap.toMs - gap.atMs >= MUTE_MS) return false;
  return pause.fromMs >= gap.atMs && pause.fromMs - gap.atMs <= SEAM_MS && pause.fromMs < gap.toMs;
}

/** At least half of a span. */
function covers(a: Span, span: Span): boolean {
  return overlap(a, span) * 2 >= span.toMs - span.fromMs && a.toMs > a.fromMs;
}

function outagesOf(entries: readonly JournalEntry[]): Extract<SessionEvent, { type: "reconnect" }>[] {
  return entries.flatMap((e) =>
    e.t === "outage"
      ? [
          {
            atMs: e.fromMs,
            type: "reconnect" as const,
            what: e.what,
            ...(e.participantId === undefined ? {} : { participantId: e.participantId }),
            toMs: e.toMs,
          },
        ]
      : [],
  );
}

/** Times that the recorder itself had to start again: from the end of its last file to the start of the next. */
function restartsOf(between: readonly Gap[]): Extract<SessionEvent, { type: "reconnect" }>[] {
  const gaps = between.filter((g) => g.cause === "restart");
  const byEnd = new Map<number, Gap>();
  // One restart leaves a gap with everyone; they end within moments of each other.
  for (const g of gaps)
    if (
      ![...byEnd.values()].some(
        (o) => overlap({ fromMs: o.atMs, toMs: o.toMs }, { fromMs: g.atMs, toMs: g.toMs }) > 0,
      )
    )
      byEnd.set(g.toMs, g);
  return [...byEnd.values()].map((g) => ({
    atMs: g.atMs,
    type: "reconnect" as const,
    what: "process" as const,
    toMs: g.toMs,
  }));
}

/**
 * What is missing of a participant between one file and the next: because the recorder itself had to start again, or
 * because they were away. Files that follow each other leave none.
 */
function gapsBetweenFiles(entries: readonly JournalEntry[], files: readonly PlacedFile[]): Gap[] {
  const out: Gap[] = [];
  const known = new Map<string, { attempt: number; endMs: number }>();
  const attemptOf = attemptsOf(entries);
  const outages = outagesOf(entries).filter((o) => o.what === "media");
  for (const f of files.toSorted((a, b) => a.startMs - b.startMs)) {
    const who = `${f.participantId}/${f.source}`;
    const at = attemptOf.get(f.path) ?? 0;
    const before = known.get(who);
    const restarted = before?.attempt !== at;
    const away = before && { fromMs: before.endMs, toMs: f.startMs };
    // Who left and came back in the meantime was not missing.
    const missing =
      restarted ||
      (away &&
        outages.some(
          (o) => o.participantId === f.participantId && overlap({ fromMs: o.atMs, toMs: o.toMs }, away) > 0,
        ));
    if (before && missing && f.startMs > before.endMs)
      out.push({
        atMs: before.endMs,
        type: "gap",
        participantId: f.participantId,
        path: f.path,
        kind: "all",
        toMs: f.startMs,
        cause: restarted ? "restart" : "outage",
      });
    known.set(who, { attempt: at, endMs: Math.max(before?.endMs ?? 0, f.startMs + f.durationMs) });
  }
  return out;
}

/** In which attempt each closed file was opened. */
function attemptsOf(entries: readonly JournalEntry[]): Map<string, number> {
  const ofId = new Map<FileOpened["id"], number>();
  const out = new Map<string, number>();
  let attempt = 0;
  for (const e of entries) {
    if (e.t === "session") attempt = e.attempt;
    else if (e.t === "file-open") ofId.set(e.id, attempt);
    else if (e.t === "file-close") out.set(e.path, ofId.get(e.id) ?? 0);
  }
  return out;
}
