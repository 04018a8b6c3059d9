import { type Speech, SpeechMeter } from "../../core/media/speech-meter.ts";
import { micros } from "../../core/time.ts";
import { SOUND, SoundDecoder } from "../../ffmpeg/decode-sound.ts";
import type { ManifestFile } from "../recorder/manifest.ts";
import type { SessionEvent } from "../recorder/session-events.ts";
import type { Span } from "./spans.ts";

/** Sound whose level is taken at a time. */
const PIECE_US = 20_000;
const PIECE = (SOUND.rate * SOUND.channels * PIECE_US) / 1e6;
/** The lowest level that there is, -dBov (RFC 6464). */
const SILENCE = 127;

/** What listening needs. */
export type ListenOptions = {
  readonly ffmpeg: string;
  readonly pathOf: (file: { readonly path: string }) => string;
  /** What of the session is listened to. */
  readonly part: Span;
  readonly signal: AbortSignal;
  /** Called now and then while it goes on. */
  readonly onMove: () => void;
};

/** When somebody speaks, from the sound itself: for sessions whose packets did not say how loud they were. */
export async function listen(files: readonly ManifestFile[], o: ListenOptions): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for (const file of files) {
    // What a screen plays is not said by whoever shows it.
    if (file.source === "screen" || file.source === "screen-audio") continue;
    if (!file.tracks.some((t) => t.kind === "audio")) continue;
    for (const { from, to } of await speechesOf(file, o))
      events.push({
        type: "speaking",
        participantId: file.participantId,
        atMs: file.startMs + from / 1000,
        toMs: file.startMs + to / 1000,
      });
  }
  return events.toSorted((a, b) => a.atMs - b.atMs);
}

async function speechesOf(file: ManifestFile, o: ListenOptions): Promise<Speech[]> {
  const fromMs = Math.max(0, o.part.fromMs - file.startMs);
  const untilUs = 1000 * Math.min(file.durationMs, o.part.toMs - file.startMs);
  if (untilUs <= 1000 * fromMs) return [];
  const decoder = new SoundDecoder({ ffmpeg: o.ffmpeg, path: o.pathOf(file), fromMs, signal: o.signal });
  const meter = new SpeechMeter();
  const piece = new Int16Array(PIECE);
  const found: (Speech | undefined)[] = [];
  try {
    for (let at = 1000 * fromMs; at < untilUs && (await decoder.read(piece)) === PIECE; at += PIECE_US) {
      found.push(meter.push(micros(at), PIECE_US, levelOf(piece)));
      o.onMove();
    }
  } finally {
    await decoder.close();
  }
  return [...found, meter.end()].filter((s) => s !== undefined);
}

/** Level of a piece, -dBov: 0 is as loud as it can be. */
export function levelOf(piece: Int16Array): number {
  let squares = 0;
  for (const v of piece) squares += v * v;
  const share = Math.sqrt(squares / Math.max(1, piece.length)) / 32_768;
  return share > 0 ? Math.min(SILENCE, -20 * Math.log10(share)) : SILENCE;
}
