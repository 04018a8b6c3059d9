import { type WebVttCue, webVtt } from "../../core/containers/webvtt.ts";
import type { Manifest } from "./manifest.ts";
import type { GapCause, SessionEvent } from "./session-events.ts";

/** Name of the chapters inside the session directory. */
export const CHAPTERS_FILE = "chapters.vtt";

/** What happens within this time of a chapter's start is in its title. */
const TOGETHER_MS = 1000;
/** Shorter gaps are not worth a chapter. */
const NOTABLE_GAP_MS = 1000;
/** More than this in one moment is counted, not told. */
const MAX_PHRASES = 6;
const MAX_NAME = 80;

/**
 * The session as WebVTT chapters: who came and went, spoke, was muted, and what is missing. A chapter lasts until
 * the next, the last one to the end of the recording; times are the session's.
 */
export function chaptersOf(manifest: Manifest): string {
  const cues = cuesOf(manifest);
  return webVtt({
    title: "Chapters",
    notes: [`${manifest.room}, recorded from ${manifest.startedAt}. Times count from there.`],
    cues,
  });
}

function cuesOf(manifest: Manifest): WebVttCue[] {
  const end = endOf(manifest);
  const starts: { atMs: number; phrases: string[] }[] = [{ atMs: 0, phrases: [] }];
  const phraseOf = narrator(manifest);
  for (const event of manifest.events.toSorted((a, b) => a.atMs - b.atMs)) {
    const phrase = phraseOf(event);
    const last = starts.at(-1);
    if (phrase === undefined || !last) continue;
    if (event.atMs - last.atMs < TOGETHER_MS) last.phrases.push(phrase);
    else starts.push({ atMs: event.atMs, phrases: [phrase] });
  }
  return starts.map(({ atMs, phrases }, i) => ({
    startMs: atMs,
    endMs: starts[i + 1]?.atMs ?? Math.max(end, atMs + 1),
    text: titleOf(phrases),
  }));
}

function titleOf(phrases: readonly string[]): string {
  const told = [...new Set(phrases)];
  const more = told.length > MAX_PHRASES ? [`${told.length - MAX_PHRASES} more`] : [];
  return [...told.slice(0, MAX_PHRASES), ...more].join("; ") || "Start";
}

/** Puts events into words, one after the other; undefined: not worth a chapter. */
function narrator(manifest: Manifest): (e: SessionEvent) => string | undefined {
  const names = new Map(manifest.participants.map((p) => [p.id, p.name]));
  const who = (id: string) => [...(names.get(id) ?? id)].slice(0, MAX_NAME).join("");
  let speaker: string | undefined;
  return (e) => {
    switch (e.type) {
      case "join":
        return `${who(e.participantId)} joined`;
      case "leave":
        return `${who(e.participantId)} left`;
      case "mute":
        return `${who(e.participantId)} turned ${device(e.kind)} off`;
      case "unmute":
        return `${who(e.participantId)} turned ${device(e.kind)} on`;
      case "speaking": {
        const goesOn = speaker === e.participantId;
        speaker = e.participantId;
        return goesOn ? undefined : `${who(e.participantId)} speaks`;
      }
      case "resize":
        return `picture of ${who(e.participantId)}: ${e.width}x${e.height}`;
      case "rotate":
        return `picture of ${who(e.participantId)}: turned by ${e.rotation}°`;
      case "codec":
        return `${e.kind} of ${who(e.participantId)}: ${e.codec}`;
      case "gap": {
        if (e.toMs - e.atMs < NOTABLE_GAP_MS) return undefined;
        return `${missing[e.kind]} of ${who(e.participantId)} for ${seconds(e)} (${causes[e.cause]})`;
      }
      case "keyframe-request":
        return undefined;
      case "reconnect": {
        const of = e.participantId === undefined ? "" : ` of ${who(e.participantId)}`;
        return `${connections[e.what]}${of} lost for ${seconds(e)}`;
      }
      case "pause":
        return `paused for ${inSeconds(e.lengthMs)}`;
    }
  };
}

const device = (kind: "audio" | "video") => (kind === "audio" ? "the microphone" : "the camera");
const missing = { audio: "no sound", video: "no picture", all: "nothing" } as const;
const connections = { signalling: "room server", media: "connection", process: "recorder" } as const;
const causes: Readonly<Record<GapCause, string>> = {
  loss: "packets were lost",
  silence: "nothing was sent",
  disk: "the disk was too slow",
  restart: "the recorder started again",
  outage: "the connection was lost",
  pause: "the recording was paused",
};

const inSeconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
const seconds = (e: { atMs: number; toMs: number }) => inSeconds(e.toMs - e.atMs);

/** Where the last chapter ends. */
function endOf(manifest: Manifest): number {
  const ends = manifest.files.map((f) => f.startMs + f.durationMs);
  const known = manifest.durationMs ?? ends.reduce((a, b) => Math.max(a, b), 0);
  return manifest.events.reduce((end, e) => Math.max(end, e.atMs), known);
}
