import { RoomtapError } from "../core/fault.ts";
import type { MediaKind } from "../core/frame.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import { LineReader } from "./lines.ts";
import { runFfmpeg } from "./run.ts";

/** Errors that are kept to be shown; all are counted. */
const MAX_ERRORS = 20;

/** What came out of one track. */
export type DecodedTrack = {
  readonly kind: MediaKind;
  /** Pictures, or packets of sound that were decoded. */
  readonly frames: number;
  /** Where the last of them starts, milliseconds on the file's timeline. */
  readonly lastMs: number;
};

/** What decoding a whole file showed. */
export type DecodeCheck = {
  readonly tracks: readonly DecodedTrack[];
  /** How often the decoders complained. */
  readonly errors: number;
  /** The first complaints. */
  readonly messages: readonly string[];
};

/**
 * Decodes everything in a file and counts. Memory does not grow with the file. Rejects with a RoomtapError
 * `incomplete` when ffmpeg cannot read it at all.
 */
export async function decodeCheck(
  path: string,
  o: { readonly ffmpeg: string; readonly signal?: AbortSignal },
): Promise<DecodeCheck> {
  const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
  const lines = new LineReader();
  const list = new FrameList();
  const messages: string[] = [];
  let errors = 0;
  try {
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [{ source: path, options: ["-copyts"] }],
        options: [
          ...["-map", "0:v?", "-map", "0:a?", fpsMode ? "-fps_mode" : "-vsync", "passthrough"],
          // Without it, times are rounded to the nominal frame rate.
          ...["-enc_time_base:v", "1:1000", "-f", "framecrc"],
        ],
        output: "stdout",
      },
      onOutput: (bytes) => {
        for (const line of lines.push(Buffer.from(bytes).toString("latin1"))) list.push(line);
      },
      onLog: (line) => {
        if (!/\[(error|fatal|panic)\]/.test(line)) return;
        errors++;
        if (messages.length < MAX_ERRORS) messages.push(line);
      },
      ...(o.signal ? { signal: o.signal } : {}),
    });
  } catch (cause) {
    if (o.signal?.aborted) throw cause;
    throw new RoomtapError("incomplete", `${path} cannot be decoded`, { cause });
  }
  return { tracks: list.tracks, errors, messages };
}

/** Reads what ffmpeg's framecrc muxer writes: a head that describes the streams, then a line for every frame. */
class FrameList {
  readonly #streams = new Map<number, { kind: MediaKind; unitMs: number; frames: number; last: number }>();

  push(line: string): void {
    const head = /^#(media_type|tb) (\d+): (\S+)/.exec(line);
    if (head) this.#head(head[1] ?? "", Number(head[2]), head[3] ?? "");
    // Stream, decoding time, presentation time, ...
    const frame = /^(\d+), *-?\d+, *(-?\d+),/.exec(line);
    const stream = frame && this.#streams.get(Number(frame[1]));
    if (!stream) return;
    stream.frames++;
    stream.last = Math.max(stream.last, Number(frame[2]));
  }

  get tracks(): DecodedTrack[] {
    return [...this.#streams.values()].map((s) => ({
      kind: s.kind,
      frames: s.frames,
      lastMs: s.last * s.unitMs,
    }));
  }

  #head(name: string, index: number, value: string): void {
    const stream = this.#streams.get(index) ?? { kind: "audio", unitMs: 1, frames: 0, last: 0 };
    if (name === "media_type") stream.kind = value === "video" ? "video" : "audio";
    const [num = 1, den = 1] = value.split("/").map(Number);
    if (name === "tb") stream.unitMs = (1000 * num) / den;
    this.#streams.set(index, stream);
  }
}
