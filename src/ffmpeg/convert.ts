import { createReadStream } from "node:fs";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { runFfmpeg } from "./run.ts";

/** What a conversion turns into what. */
export type RecordingConversion = {
  /** A Matroska of ours. */
  readonly input: string;
  readonly output: string;
  readonly format: "mp4" | "webm";
  readonly audio: boolean;
  /** `width` and `height`: the largest picture in the file, pixels. */
  readonly video?: {
    readonly codec: string;
    readonly width: number;
    readonly height: number;
    /** Pictures of other sizes are in the file: they are scaled onto one canvas. */
    readonly resized?: boolean;
  };
};

/** Options of a run. */
export type ConvertRun = RecordingConversion & {
  readonly ffmpeg: string;
  readonly durationMs: number;
  readonly signal: AbortSignal;
  /** Share done, 0..1. */
  readonly onProgress: (share: number) => void;
};

/**
 * Sound that follows the file's times, holes filled with silence. Without `flags=res` the resampler joins in only
 * at the first correction, starts at `first_pts` again and puts silence as long as everything before into the
 * middle of the file.
 */
const STEADY_SOUND = "aresample=async=1000:first_pts=0:flags=res";

/** Converts a recording, fed through the standard input. Rejects with a RoomtapError `ffmpeg-failed`. */
export async function convertRecording(o: ConvertRun): Promise<void> {
  const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
  await runFfmpeg({
    ffmpeg: o.ffmpeg,
    command: conversionCommand(o, fpsMode),
    input: createReadStream(o.input, { highWaterMark: 256 * 1024 }),
    signal: o.signal,
    nice: true,
    onProgress: (us) => o.onProgress(Math.min(1, us / 1000 / Math.max(1, o.durationMs))),
  });
}

/** The command of a conversion. H.264 goes into MP4 as it is; everything else is encoded. */
export function conversionCommand(c: RecordingConversion, fpsMode: boolean): CommandSpec {
  const copy = c.format === "mp4" && c.video?.codec === "h264" && !c.video.resized;
  return {
    inputs: [{ source: "stdin", options: ["-f", "matroska"] }],
    ...(c.video && !copy ? { videoFilters: [canvas(c.video.width, c.video.height)] } : {}),
    ...(c.audio ? { audioFilters: [STEADY_SOUND] } : {}),
    options: [
      ...(c.video ? videoOptions(c.format, copy, fpsMode) : []),
      ...(c.audio ? audioOptions(c.format) : []),
      ...(c.format === "mp4" ? ["-movflags", "+faststart", "-f", "mp4"] : ["-f", "webm"]),
    ],
    output: c.output,
  };
}

function videoOptions(format: "mp4" | "webm", copy: boolean, fpsMode: boolean): string[] {
  if (copy) return ["-c:v", "copy"];
  const timing = [fpsMode ? "-fps_mode" : "-vsync", "vfr"];
  if (format === "mp4")
    return ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p", ...timing];
  return [
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "5",
    "-b:v",
    "2500k",
    "-pix_fmt",
    "yuv420p",
    ...timing,
  ];
}

function audioOptions(format: "mp4" | "webm"): string[] {
  if (format === "mp4") return ["-c:a", "aac", "-b:a", "128k", "-ar", "48000"];
  return ["-c:a", "libopus", "-b:a", "96k"];
}

/** Every picture onto one canvas, its shape kept. Encoders need even sizes. */
function canvas(width: number, height: number): string {
  const w = width + (width % 2);
  const h = height + (height % 2);
  return `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:(ow-iw)/2:(oh-ih)/2,setsar=1`;
}
