import type { MediaKind } from "../../core/frame.ts";
import type { Hole } from "../../ffmpeg/packet-check.ts";
import type { Manifest, ManifestFile } from "../recorder/manifest.ts";
import type { SessionEvent } from "../recorder/session-events.ts";

/** Holes up to this long need no explanation, milliseconds. */
export const LONGEST_HOLE: Readonly<Record<MediaKind, number>> = { video: 250, audio: 100 };
/** A camera in the dark sends a picture now and then: this many of its own steps are no hole. */
const STEPS = 4;
/** An event tells its time this well: a gap ends with the first packet, the first picture comes after it. */
const SLACK_MS = 500;

type Span = { readonly fromMs: number; readonly toMs: number };

/**
 * The holes of a track that nothing in the manifest explains: no gap, mute, lost connection or pause. A screen at
 * rest sends nothing, which is no hole.
 */
export function unexplainedHoles(
  file: ManifestFile,
  manifest: Pick<Manifest, "events">,
  track: { readonly kind: MediaKind; readonly typicalMs: number; readonly holes: readonly Hole[] },
): Hole[] {
  if (track.kind === "video" && file.source === "screen") return [];
  const steps = track.kind === "video" ? STEPS * track.typicalMs : 0;
  const limit = Math.max(LONGEST_HOLE[track.kind], steps);
  const reasons = manifest.events.flatMap((e) => reasonOf(e, file, track.kind, manifest.events));
  return track.holes.filter((hole) => {
    if (hole.toMs - hole.fromMs <= limit) return false;
    return (
      longestRest({ fromMs: file.startMs + hole.fromMs, toMs: file.startMs + hole.toMs }, reasons) > limit
    );
  });
}

/** When, on the session's timeline, nothing of a track was to be had. */
function reasonOf(
  e: SessionEvent,
  file: ManifestFile,
  kind: MediaKind,
  all: readonly SessionEvent[],
): Span[] {
  const span = (toMs: number): Span[] => [{ fromMs: e.atMs - SLACK_MS, toMs: toMs + SLACK_MS }];
  switch (e.type) {
    case "gap": {
      const same = e.participantId === file.participantId && (e.kind === kind || e.kind === "all");
      return same ? span(e.toMs) : [];
    }
    case "mute": {
      if (e.participantId !== file.participantId || e.kind !== kind) return [];
      const on = all.find(
        (u) =>
          u.type === "unmute" && u.participantId === e.participantId && u.kind === kind && u.atMs >= e.atMs,
      );
      return span(on?.atMs ?? Number.POSITIVE_INFINITY);
    }
    case "reconnect": {
      if (e.what === "signalling") return [];
      return e.participantId === undefined || e.participantId === file.participantId ? span(e.toMs) : [];
    }
    case "pause":
      return span(e.toMs);
    default:
      return [];
  }
}

/** The longest stretch of a span that no reason covers. */
function longestRest(span: Span, reasons: readonly Span[]): number {
  let rest = 0;
  let at = span.fromMs;
  for (const r of reasons.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (r.toMs <= at || r.fromMs >= span.toMs) continue;
    rest = Math.max(rest, r.fromMs - at);
    at = Math.max(at, r.toMs);
  }
  return Math.max(rest, span.toMs - at);
}
