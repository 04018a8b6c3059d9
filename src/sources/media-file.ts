import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { runFfmpeg } from "../ffmpeg/run.ts";
import { cached, cacheName, findCached } from "./cache.ts";
import {
  audioEncoding,
  OPUS_DELAY_FILTER,
  type PublishedVideo,
  requireEncoders,
  type Shrink,
  videoEncoding,
} from "./encode.ts";
import { SampleStore } from "./sample-store.ts";

/** Part of the cache key: grows with every change to how files are encoded. */
const RECIPE_VERSION = 1;

/**
 * 30 frames per second, square pixels, not larger than 1280x720, even sides. A constant rate because senders
 * and receivers pace by it; a repeated picture costs next to nothing. VP8 knows BT.601 colours only (RFC 6386
 * section 9.2), and H.264 is marked with them.
 */
const PICTURE = [
  "fps=30",
  "scale=max(2\\,trunc(iw*sar/2)*2):ih",
  "scale=w=min(1280\\,iw):h=min(720\\,ih):force_original_aspect_ratio=decrease",
  "scale=max(2\\,trunc(iw/2)*2):max(2\\,trunc(ih/2)*2):out_color_matrix=bt601:out_range=tv",
  "format=yuv420p",
  "setsar=1",
];

/** Both sides smaller, and even. */
function shrunk(shrink: Shrink): string[] {
  if (shrink === 1) return [];
  const side = (name: string) => `max(2\\,trunc(${name}/${2 * shrink})*2)`;
  return [`scale=${side("iw")}:${side("ih")}`];
}

/**
 * A sound that starts late or has holes is filled up with silence. Without `flags=res` the resampler of a 48 kHz
 * sound joins in only at the first correction, and fills up everything before it once more.
 */
const SOUND = ["aresample=48000:async=1000:first_pts=0:flags=res", OPUS_DELAY_FILTER];

/** What to take of a media file, and how to encode it. */
export type MediaFileOptions = {
  readonly path: string;
  readonly video: PublishedVideo | "none";
  readonly audio: "opus" | "none";
  /** How much smaller the picture is on both sides; default 1. */
  readonly shrink?: Shrink;
  /** Only the first so many milliseconds; a longer version in the cache is taken all the same. */
  readonly limitMs?: number;
  readonly ffmpeg: string;
  readonly cacheDir: string;
  /** Share of the work done, 0..1. Not called when the result is in the cache, or when the length is unknown. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
};

/**
 * Path of a Matroska file with the first video and the first audio track of a media file, ready to be sent; made
 * once and cached, by the file's path, size and time of change. Errors: media-invalid when the file is missing,
 * is no media or has none of the wanted tracks; ffmpeg-failed; output-unwritable.
 */
export async function preparedFile(o: MediaFileOptions): Promise<string> {
  const path = resolve(o.path);
  const info = await stat(path).catch((cause: unknown) => {
    throw new RoomtapError("media-invalid", `there is no media file ${o.path}`, {
      hint: "--media takes the path of a file, or `test` for the test clip",
      cause,
    });
  });
  if (!info.isFile())
    throw new RoomtapError("media-invalid", `${o.path} is not a file`, {
      hint: "give --media a media file, or leave it out for the test clip",
    });
  const wanted = [o.video, o.audio].filter((c) => c !== "none");
  const version = await requireEncoders(o.ffmpeg, wanted);
  const name = (limitMs: number) =>
    cacheName("media", [
      RECIPE_VERSION,
      version,
      path,
      info.size,
      info.mtimeMs,
      o.video,
      o.audio,
      limitMs,
      ...(o.shrink === undefined || o.shrink === 1 ? [] : [o.shrink]),
    ]);
  const whole = await findCached(o.cacheDir, name(0));
  return whole ?? (await cached(o.cacheDir, name(o.limitMs ?? 0), (draft) => encode(path, draft, o)));
}

async function encode(path: string, draft: string, o: MediaFileOptions): Promise<void> {
  const { video, audio, onProgress } = o;
  let lengthUs = Number.POSITIVE_INFINITY;
  let text = false;
  const onLog = (line: string) => {
    // ffmpeg reads any text as pictures of a terminal.
    text ||= /Input #0, tty\b/.test(line);
    const length = lengthIn(line);
    if (length !== undefined) lengthUs = Math.min(length, 1000 * (o.limitMs ?? Number.POSITIVE_INFINITY));
  };
  try {
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [{ source: path }],
        ...(video === "none" ? {} : { videoFilters: [...PICTURE, ...shrunk(o.shrink ?? 1)] }),
        ...(audio === "none" ? {} : { audioFilters: SOUND }),
        options: [
          // "V" leaves out cover pictures.
          ...(video === "none" ? ["-vn"] : ["-map", "0:V:0?", ...videoEncoding(video, o.shrink)]),
          ...(audio === "none" ? ["-an"] : ["-map", "0:a:0?", ...audioEncoding()]),
          ...(o.limitMs === undefined ? [] : ["-t", `${o.limitMs / 1000}`]),
          ...["-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "matroska"],
          // At this level ffmpeg tells what it reads, and how long it is.
          ...["-loglevel", "level+info", "-nostats"],
        ],
        output: draft,
      },
      onLog,
      ...(onProgress ? { onProgress: (us: number) => onProgress(Math.min(1, us / lengthUs)) } : {}),
      ...(o.signal ? { signal: o.signal } : {}),
    });
    // An empty track would only be noticed in the room.
    SampleStore.open(draft).close();
  } catch (cause) {
    if (o.signal?.aborted) throw cause;
    throw unusable(o, cause);
  }
  if (text) throw unusable(o, new Error("Invalid data: text"));
}

function unusable(o: MediaFileOptions, cause: unknown): RoomtapError {
  const wanted = o.video === "none" ? "sound" : o.audio === "none" ? "pictures" : "sound or pictures";
  const said = cause instanceof Error ? cause.message : "";
  const what = /does not contain any stream/.test(said)
    ? `has no ${wanted}`
    : /Invalid data/.test(said)
      ? "is not media that ffmpeg can read"
      : `cannot be sent: ${said}`;
  return new RoomtapError("media-invalid", `${o.path} ${what}`, {
    hint: `--media takes a file that ffmpeg can read, with ${wanted}`,
    cause,
  });
}

/** Microseconds of a line like "Duration: 00:01:02.50, start: ...". */
function lengthIn(line: string): number | undefined {
  const m = /Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(line);
  return m ? 1e6 * (3600 * Number(m[1]) + 60 * Number(m[2]) + Number(m[3])) : undefined;
}
