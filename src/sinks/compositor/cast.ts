import type { Manifest, ManifestFile } from "../recorder/manifest.ts";
import { clipSpans, mergeSpans, type Span } from "./spans.ts";

/** A part of the session's picture or sound: a file on the session's time. */
export type Clip = Span & {
  /** As in the manifest. */
  readonly path: string;
  /** Where the file's own time starts, which may be before the clip does. */
  readonly startMs: number;
};

/** Somebody of whom something was recorded, over the whole session. */
export type Member = {
  readonly id: string;
  readonly name: string;
  /** When they are there. */
  readonly present: readonly Span[];
  readonly camera: readonly Clip[];
  readonly screen: readonly Clip[];
  /** When the camera shows nothing, although its file goes on. */
  readonly dark: readonly Span[];
  /** When the microphone is off. */
  readonly muted: readonly Span[];
  readonly speaking: readonly Span[];
};

/** Who is in a session, in the order in which they came, and what is to be heard. */
export type Cast = {
  readonly members: readonly Member[];
  readonly sounds: readonly Clip[];
};

/** Somebody who is gone for no longer than this has not left. */
const REJOIN_MS = 2000;
/** A camera that stands still for longer than this is dark. */
const FREEZE_MS = 3000;
/** The last picture of a file stays for as long, so that nothing flickers from one file to the next, or at the end. */
const HOLD_MS = 1500;
/** Words with pauses up to this are one speech. */
const PAUSE_MS = 700;
/** What is as short as this is a cough. */
const COUGH_MS = 300;

/** Reads from a manifest who is in a session when. `part`: what of it is wanted. */
export function castOf(manifest: Pick<Manifest, "participants" | "files" | "events">, part: Span): Cast {
  const recorded = manifest.files.filter((f) => f.durationMs > 0);
  const sounds = recorded.filter((f) => f.tracks.some((t) => t.kind === "audio"));
  const ids = [
    ...new Set([...manifest.participants.map((p) => p.id), ...recorded.map((f) => f.participantId)]),
  ];
  const members = ids.map((id) => memberOf(id, manifest, recorded, part)).filter((m) => m.present.length > 0);
  const since = (id: string) =>
    Math.min(
      ...manifest.participants.filter((p) => p.id === id).map((p) => p.joinedMs),
      ...recorded.filter((f) => f.participantId === id).map((f) => f.startMs),
    );
  // Also where only a part is wanted: people keep their places.
  const order = new Map(members.map((m) => [m, since(m.id)]));
  members.sort((x, y) => (order.get(x) ?? 0) - (order.get(y) ?? 0));
  return { members, sounds: clipsOf(sounds, part) };
}

function memberOf(
  id: string,
  { participants, events }: Pick<Manifest, "participants" | "events">,
  recorded: readonly ManifestFile[],
  part: Span,
): Member {
  const files = recorded.filter((f) => f.participantId === id);
  const videos = files.filter((f) => f.tracks.some((t) => t.kind === "video"));
  const own = events.flatMap((e) => ("participantId" in e && e.participantId === id ? [e] : []));
  const off = (kind: "audio" | "video") => {
    const out: Span[] = [];
    let since: number | undefined;
    for (const e of own) {
      if ((e.type !== "mute" && e.type !== "unmute") || e.kind !== kind) continue;
      if (e.type === "mute") since ??= e.atMs;
      else if (since !== undefined) out.push({ fromMs: since, toMs: e.atMs });
      if (e.type === "unmute") since = undefined;
    }
    return since === undefined ? out : [...out, { fromMs: since, toMs: part.toMs }];
  };
  const holes = own.flatMap((e) =>
    e.type === "gap" && e.kind !== "audio" && e.toMs - e.atMs >= FREEZE_MS && !isScreen(e.path, videos)
      ? [{ fromMs: e.atMs, toMs: e.toMs }]
      : [],
  );
  const words = own.flatMap((e) => (e.type === "speaking" ? [{ fromMs: e.atMs, toMs: e.toMs }] : []));
  const known = participants.find((p) => p.id === id);
  const stays = known ? [{ fromMs: known.joinedMs, toMs: known.leftMs ?? part.toMs }] : [];
  const spans = files.map((f) => ({ fromMs: f.startMs, toMs: f.startMs + f.durationMs }));
  return {
    id,
    name: known?.name ?? files[0]?.participant ?? "",
    // Of whom nothing was recorded there is nothing to show: another recorder, somebody who only listens.
    present: files.length === 0 ? [] : clipSpans(mergeSpans([...stays, ...spans], REJOIN_MS), part),
    camera: held(
      videos.filter((f) => f.source !== "screen"),
      part,
      true,
    ),
    screen: held(
      videos.filter((f) => f.source === "screen"),
      part,
      false,
    ),
    dark: mergeSpans([...off("video"), ...holes]),
    muted: mergeSpans(off("audio")),
    speaking: mergeSpans(words, PAUSE_MS).filter((s) => s.toMs - s.fromMs > COUGH_MS),
  };
}

function isScreen(path: string, videos: readonly ManifestFile[]): boolean {
  return videos.some((f) => f.path === path && f.source === "screen");
}

/**
 * Clips of pictures, each until the next one where that follows soon. The last picture of a camera stays for a while in
 * any case; a screen that is not shared any more makes room at once.
 */
function held(files: readonly ManifestFile[], part: Span, lasting: boolean): Clip[] {
  const clips = clipsOf(files, part);
  return clips.map((clip, i) => {
    const until = Math.min(clip.toMs + HOLD_MS, part.toMs);
    const next = clips[i + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
    if (next > until) return lasting ? { ...clip, toMs: until } : clip;
    return { ...clip, toMs: Math.max(clip.toMs, next) };
  });
}

function clipsOf(files: readonly ManifestFile[], part: Span): Clip[] {
  return files
    .toSorted((a, b) => a.startMs - b.startMs)
    .flatMap((f) =>
      clipSpans([{ fromMs: f.startMs, toMs: f.startMs + f.durationMs }], part).map((s) => ({
        ...s,
        path: f.path,
        startMs: f.startMs,
      })),
    );
}
