import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { SOUND } from "./decode-sound.ts";
import { runFfmpeg } from "./run.ts";

/** Containers that a composition can be written in. */
export type CompositionFormat = "mp4" | "m4a" | "webm" | "mkv" | "ogg" | "mp3" | "wav";

/** What is encoded. */
export type CompositionEncoding = {
  readonly format: CompositionFormat;
  /** Pictures are in it; without them the input is interleaved 16-bit samples alone. */
  readonly video?: { readonly fps: number };
  /** Where it goes. */
  readonly output: string;
};

/** How to encode it. */
export type CompositionRun = CompositionEncoding & {
  readonly ffmpeg: string;
  /** With pictures: Matroska with raw pictures and sound. */
  readonly input: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Milliseconds that are encoded. */
  readonly onProgress: (ms: number) => void;
};

/** Bits per second of sound. */
const SOUND_RATE = "128k";

/** Encoders of a format; those without pictures hold sound only. */
const encoders: Readonly<Record<CompositionFormat, { readonly video?: string; readonly audio: string }>> = {
  mp4: { video: "libx264", audio: "aac" },
  m4a: { audio: "aac" },
  webm: { video: "libvpx", audio: "libopus" },
  mkv: { video: "libx264", audio: "libopus" },
  ogg: { audio: "libopus" },
  mp3: { audio: "libmp3lame" },
  wav: { audio: "pcm_s16le" },
};

/** Whether a format can hold pictures. */
export function holdsPictures(format: CompositionFormat): boolean {
  return encoders[format].video !== undefined;
}

/**
 * Encodes a composition while it is made. Rejects with a RoomtapError: `disk-full`, `ffmpeg-failed`, the latter also
 * when the ffmpeg has no encoder for the format.
 */
export async function encodeComposition(o: CompositionRun): Promise<void> {
  const capabilities = await ffmpegCapabilities(o.ffmpeg);
  const { video, audio } = encoders[o.format];
  const missing = [...(o.video && video ? [video] : []), audio].find((e) => !capabilities.encoders.has(e));
  if (missing !== undefined)
    throw new RoomtapError("ffmpeg-failed", `this ffmpeg has no ${missing}, which ${o.format} needs`, {
      hint: "name another one with --ffmpeg, or choose another extension for --out",
    });
  await runFfmpeg({
    ffmpeg: o.ffmpeg,
    command: encodingCommand(o, capabilities.fpsMode),
    input: o.input,
    signal: o.signal,
    // Nobody keeps what comes of it then.
    patience: { eofMs: 0, interruptMs: 2000 },
    onProgress: (us) => o.onProgress(us / 1000),
  });
}

/** The command of an encoder. */
export function encodingCommand(o: CompositionEncoding, fpsMode: boolean): CommandSpec {
  const raw = ["-f", "s16le", "-ar", `${SOUND.rate}`, "-ac", `${SOUND.channels}`];
  return {
    inputs: [{ source: "stdin", options: o.video ? ["-f", "matroska"] : raw }],
    options: [
      ...(o.video ? videoOptions(o.format, o.video.fps, fpsMode) : []),
      ...["-map", "0:a:0", "-c:a", encoders[o.format].audio],
      ...(o.format === "wav" ? ["-rf64", "auto"] : ["-b:a", SOUND_RATE]),
      ...containerOptions(o.format),
    ],
    output: o.output,
  };
}

function videoOptions(format: CompositionFormat, fps: number, fpsMode: boolean): string[] {
  const quality =
    encoders[format].video === "libvpx"
      ? // Its other deadlines look ahead and are slower than the call was.
        ["-deadline", "realtime", "-cpu-used", "12", "-b:v", "2500k", "-crf", "12", "-threads", "4"]
      : ["-preset", "superfast", "-crf", "23"];
  return [
    ...["-map", "0:v:0", "-c:v", encoders[format].video ?? "", ...quality, "-pix_fmt", "yuv420p"],
    ...["-r", `${fps}`, fpsMode ? "-fps_mode" : "-vsync", "cfr", "-g", `${4 * fps}`],
    ...["-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m"],
    ...["-color_range", "tv"],
  ];
}

function containerOptions(format: CompositionFormat): string[] {
  if (format === "mp4" || format === "m4a") return ["-movflags", "+faststart", "-f", "mp4"];
  return ["-f", format === "mkv" ? "matroska" : format];
}
