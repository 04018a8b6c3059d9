import { createReadStream } from "node:fs";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { runFfmpeg } from "./run.ts";

/** What a conversion turns into what. */
export type RecordingConversion = {
  /** A Matroska of ours. */
  readonly input: string;
  readonly output: string;
  readonly format: "mp4" | "webm" | "mkv" | "ogg";
  /** Codec of the sound; absent: there is none. */
  readonly audio?: string;
  /** `width` and `height`: the largest picture in the file, pixels. */
  readonly video?: {
    readonly codec: string;
    readonly width: number;
    readonly height: number;
    /** Pictures of other sizes are in the file: they are scaled onto one canvas. */
    readonly resized?: boolean;
    /** Show the last picture, or black, where pictures are missing: at these times, milliseconds. */
    readonly fill?: {
      readonly with: "hold" | "black";
      readonly gaps: readonly { readonly fromMs: number; readonly toMs: number }[];
    };
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

/** The command of a conversion. What the container takes stays as it is; everything else is encoded. */
export function conversionCommand(c: RecordingConversion, fpsMode: boolean): CommandSpec {
  const { audio, format } = c;
  const video = format === "ogg" ? undefined : c.video;
  const copy = video !== undefined && copiesVideo(format, video);
  const sound = audio !== undefined && !copiesAudio(format, audio);
  return {
    inputs: [{ source: "stdin", options: ["-f", "matroska"] }],
    ...(video && !copy ? { videoFilters: [...filling(video.fill), canvas(video.width, video.height)] } : {}),
    ...(sound ? { audioFilters: [STEADY_SOUND] } : {}),
    options: [
      // By itself ffmpeg takes one track of sound, and the second microphone would be gone.
      ...(video ? ["-map", "0:v:0?"] : []),
      ...["-map", "0:a?"],
      ...(video ? videoOptions(format, video, copy, fpsMode) : []),
      ...(audio === undefined ? [] : sound ? audioOptions(format) : ["-c:a", "copy"]),
      ...containers[format],
    ],
    output: c.output,
  };
}

const containers = {
  mp4: ["-movflags", "+faststart", "-f", "mp4"],
  webm: ["-f", "webm"],
  mkv: ["-f", "matroska"],
  ogg: ["-f", "ogg"],
} as const;

type Video = NonNullable<RecordingConversion["video"]>;

function copiesVideo(format: RecordingConversion["format"], video: Video): boolean {
  if (video.resized || video.fill) return false;
  return format === "mkv" || (format === "mp4" && video.codec === "h264");
}

function copiesAudio(format: RecordingConversion["format"], codec: string): boolean {
  return format === "mkv" || (format === "webm" && codec === "opus");
}

/** Fills holes with copies of the picture before, and paints these black where that is wanted. */
function filling(fill: Video["fill"]): string[] {
  if (!fill) return [];
  const steady = "fps=30";
  if (fill.with === "hold" || fill.gaps.length === 0) return [steady];
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  // The last picture itself is shown for as long as any other.
  const spans = fill.gaps.map((g) => `between(t,${seconds(g.fromMs + 34)},${seconds(g.toMs - 1)})`);
  return [steady, `drawbox=x=0:y=0:w=iw:h=ih:color=black:t=fill:enable='${spans.join("+")}'`];
}

function videoOptions(
  format: RecordingConversion["format"],
  { codec, fill }: Video,
  copy: boolean,
  fpsMode: boolean,
): string[] {
  if (copy) return ["-c:v", "copy"];
  // By itself ffmpeg moves pictures to the ticks of the frame rate that it guesses, and drops the second in a tick.
  const ticks = fill ? [] : ["-enc_time_base:v", "1:1000"];
  const timing = [fpsMode ? "-fps_mode" : "-vsync", "vfr", ...ticks];
  if (format === "mp4" || (format === "mkv" && (codec === "h264" || codec === "h265")))
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

function audioOptions(format: RecordingConversion["format"]): string[] {
  if (format === "mp4") return ["-c:a", "aac", "-b:a", "128k", "-ar", "48000"];
  return ["-c:a", "libopus", "-b:a", "96k"];
}

/** Every picture onto one canvas, its shape kept. Encoders need even sizes. */
function canvas(width: number, height: number): string {
  const w = width + (width % 2);
  const h = height + (height % 2);
  return `scale=${w}:${h}:force_original_aspect_ratio=decrease,pad=${w}:${h}:(ow-iw)/2:(oh-ih)/2,setsar=1`;
}
