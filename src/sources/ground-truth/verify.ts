import { RoomtapError } from "../../core/fault.ts";
import { ffmpegCapabilities } from "../../ffmpeg/capabilities.ts";
import { DecodedStream } from "../../ffmpeg/decoded-stream.ts";
import { runFfmpeg } from "../../ffmpeg/run.ts";
import { type OffsetSummary, pairOffsets, summarizeOffsets } from "./lipsync.ts";
import { type Continuity, continuity, flashOnsets, type SeenFrame, seeFrame } from "./picture.ts";
import { ToneEnvelope, toneOnsets } from "./sound.ts";
import { FPS, LOOP_FRAMES, SAMPLE_RATE } from "./spec.ts";

/** Size that pictures are read at; the clip is made to be readable there. */
const SEEN = { width: 320, height: 180 } as const;
/** Holes in the sound shorter than this, in samples, are the container's rounding. */
const MIN_HOLE = SAMPLE_RATE / 200;

/** What a recording of the ground-truth clip holds. Times in milliseconds. */
export type Verification = Continuity & {
  /** Decoded video frames. */
  readonly frames: number;
  /** Frame numbers in order; undefined: not readable. */
  readonly numbers: readonly (number | undefined)[];
  /** From the first frame to the end of the last. */
  readonly videoDurationMs: number;
  /** From the start of the file to the last sample. */
  readonly audioDurationMs: number;
  /** Holes in the sound before its end, together. */
  readonly audioHolesMs: number;
  /** Sound and picture against each other. */
  readonly offset: OffsetSummary;
  /** Errors that the decoders reported. */
  readonly decodeErrors: number;
};

/** An Opus decoder that starts in the middle of a stream settles this long (RFC 7845 section 4.6). */
const PREROLL_S = 0.08;

/** Options of `verifyRecording`. */
export type VerifyOptions = { readonly ffmpeg: string; readonly signal?: AbortSignal };

/**
 * Decodes a recording of the ground-truth clip and compares it with what the clip is known to hold. Errors:
 * incomplete when the file cannot be decoded at all.
 */
export async function verifyRecording(path: string, o: VerifyOptions): Promise<Verification> {
  const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
  const stream = new DecodedStream();
  const sound = new SoundTrack();
  const frames: SeenFrame[] = [];
  let decodeErrors = 0;
  try {
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [{ source: path }],
        videoFilters: [`scale=${SEEN.width}:${SEEN.height}:flags=area`, "format=gray"],
        options: [
          ...["-map", "0:v:0?", "-map", "0:a:0?", fpsMode ? "-fps_mode" : "-vsync", "passthrough"],
          // Without it, times are rounded to the nominal frame rate.
          ...["-enc_time_base", "1:1000", "-c:v", "rawvideo"],
          ...["-c:a", "pcm_s16le", "-ac", "1", "-ar", `${SAMPLE_RATE}`, "-f", "matroska"],
        ],
        output: "stdout",
      },
      onOutput: (bytes) => {
        for (const { kind, timeMs, data } of stream.push(bytes)) {
          if (kind === "video") frames.push(seeFrame(data, SEEN.width, SEEN.height, timeMs / 1000));
          else sound.push(data, timeMs);
        }
      },
      onLog: (line) => {
        if (line.includes("[error]")) decodeErrors++;
      },
      ...(o.signal ? { signal: o.signal } : {}),
    });
  } catch (cause) {
    if (o.signal?.aborted) throw cause;
    throw new RoomtapError("incomplete", `${path} cannot be decoded`, { cause });
  }
  const offsets = pairOffsets(
    flashOnsets(frames).filter((s) => s >= PREROLL_S),
    toneOnsets(sound.levels),
  );
  const first = frames[0]?.time ?? 0;
  const last = frames.at(-1)?.time;
  return {
    ...continuity(frames, LOOP_FRAMES),
    frames: frames.length,
    numbers: frames.map((f) => f.number),
    videoDurationMs: last === undefined ? 0 : 1000 * (last - first + 1 / FPS),
    audioDurationMs: sound.durationMs,
    audioHolesMs: sound.holesMs,
    offset: summarizeOffsets(offsets),
    decodeErrors,
  };
}

/** The file's sound on its timeline: holes become silence. */
class SoundTrack {
  readonly #envelope = new ToneEnvelope();
  #started = false;
  #holes = 0;

  /** Adds mono 16-bit little-endian samples that start at `timeMs`. */
  push(data: Uint8Array, timeMs: number): void {
    const ahead = Math.round((timeMs * SAMPLE_RATE) / 1000) - this.#envelope.samples;
    if (ahead > MIN_HOLE) {
      if (this.#started) this.#holes += ahead;
      this.#envelope.push(new Int16Array(ahead));
    }
    this.#started = true;
    const pcm = new Int16Array(data.length >> 1);
    for (let i = 0; i < pcm.length; i++) pcm[i] = ((data[2 * i + 1] ?? 0) << 8) | (data[2 * i] ?? 0);
    this.#envelope.push(pcm);
  }

  get levels(): Float32Array {
    return this.#envelope.levels;
  }

  get durationMs(): number {
    return (1000 * this.#envelope.samples) / SAMPLE_RATE;
  }

  get holesMs(): number {
    return (1000 * this.#holes) / SAMPLE_RATE;
  }
}
