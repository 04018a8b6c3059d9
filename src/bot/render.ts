import { closeSync, existsSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { type CompositionFormat, holdsPictures } from "../ffmpeg/compose.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { compose } from "../sinks/compositor/compose.ts";
import type { SceneLayout } from "../sinks/compositor/seating.ts";
import { diskError } from "../sinks/recorder/block-writer.ts";
import { MANIFEST_FILE, type Manifest } from "../sinks/recorder/manifest.ts";
import { TEMP_SUFFIX } from "../sinks/recorder/output.ts";
import { isSession, readSession } from "../sinks/verify/session.ts";
import { sessionPath } from "../sinks/verify/session-path.ts";

/** What to make of a session: people in tiles of one size, who speaks large, or sound alone. */
export type RenderLayout = SceneLayout | "audio";

/** What to render, and into what. */
export type RenderOptions = {
  /** A session directory, or its `manifest.json`. */
  readonly session: string;
  readonly layout: RenderLayout;
  /** The extension says the format: mp4, webm, mkv; for sound alone also ogg, opus, m4a, mp3, wav. */
  readonly out: string;
  /** Replace a file that is there. */
  readonly force?: boolean;
  /** Pixels; default 1280x720. Both sides even, from 128 to 4096. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Frames per second, 1 to 60; default 30. */
  readonly fps?: number;
  /** Names on tiles; default true. */
  readonly labels?: boolean;
  /** A line above everything. */
  readonly title?: string;
  /** What of the session is wanted, milliseconds; default: all. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly ffmpeg?: string;
  /** Aborting ends the rendering with a rejection; nothing is left behind. */
  readonly signal?: AbortSignal;
  /** When nothing moves for this many milliseconds it is given up; default 120 000. */
  readonly stallMs?: number;
  readonly onProgress?: (progress: RenderProgress) => void;
};

/** How far a rendering is. */
export type RenderProgress = {
  readonly doneMs: number;
  readonly totalMs: number;
  /** How many times as fast as the call was. */
  readonly speed: number;
};

/** What was rendered. */
export type RenderResult = {
  readonly path: string;
  readonly layout: RenderLayout;
  readonly durationMs: number;
  readonly bytes: number;
  /** Of the picture; absent for sound alone. */
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** How long it took, and how many times as fast as the call that is. */
  readonly elapsedMs: number;
  readonly speed: number;
  /** What is missing in it, one line each; empty: nothing. */
  readonly missing: readonly string[];
  /** What is different from what was asked for, one line each. */
  readonly notices: readonly string[];
};

const formats: Readonly<Record<string, CompositionFormat>> = {
  ".mp4": "mp4",
  ".m4a": "m4a",
  ".webm": "webm",
  ".mkv": "mkv",
  ".ogg": "ogg",
  ".opus": "ogg",
  ".mp3": "mp3",
  ".wav": "wav",
};
const DEFAULT_SIZE = { width: 1280, height: 720 };
const DEFAULT_FPS = 30;
const MIN_SIDE = 128;
const MAX_SIDE = 4096;
const MAX_FPS = 60;
/** No session is longer: what says that it is would keep a machine busy for ever. Milliseconds. */
const MAX_MS = 366 * 86_400_000;
/** What is shorter is nothing. */
const MIN_MS = 20;

/**
 * Composes a finished session into one file. The file gets its name when it is whole. Rejects with a RoomtapError:
 * `usage`, `incomplete` where the session cannot be read, `no-media`, `ffmpeg-missing`, `ffmpeg-failed`, `disk-full`,
 * `output-unwritable`.
 */
export async function render(o: RenderOptions): Promise<RenderResult> {
  const format = formatOf(o);
  const video = videoOf(o);
  const directory = directoryOf(o.session);
  const { manifest, paths, missing, notices } = await load(directory);
  const part = partOf(manifest, o);
  const target = resolve(o.out);
  if (existsSync(target) && o.force !== true)
    throw new RoomtapError("usage", `${o.out} is there already`, {
      hint: "--force replaces it, or choose another name for --out",
    });
  const ffmpeg = await locateFfmpeg(o.ffmpeg);
  const signal = o.signal ?? new AbortController().signal;
  const output = claim(target);
  const start = performance.now();
  const totalMs = part.toMs - part.fromMs;
  const speedAt = (ms: number) => ms / Math.max(1, performance.now() - start);
  try {
    const composed = await compose({
      ...{ ffmpeg, manifest, part, format, output, signal },
      pathOf: (file) => paths.get(file.path) ?? "",
      ...(video ? { video } : {}),
      ...(o.stallMs === undefined ? {} : { stallMs: o.stallMs }),
      onProgress: (ms) => {
        const doneMs = Math.min(ms, totalMs);
        o.onProgress?.({ doneMs, totalMs, speed: speedAt(doneMs) });
      },
    });
    const { size: bytes } = statSync(output);
    renameSync(output, target);
    const speed = speedAt(totalMs);
    for (const [path, message] of composed.failures) missing.push(`${path}: ${message}`);
    if (!composed.lettered)
      notices.push("no names: this ffmpeg cannot write text, or there is no font on this machine");
    if (composed.listened) notices.push("the session does not say who spoke: that was told from the sound");
    return {
      path: o.out,
      layout: o.layout,
      durationMs: Math.round(totalMs),
      bytes,
      ...(video ? { width: video.width, height: video.height, fps: video.fps } : {}),
      elapsedMs: Math.round(performance.now() - start),
      speed,
      missing,
      notices,
    };
  } catch (error) {
    rmSync(output, { force: true });
    throw error instanceof RoomtapError ? error : diskError(o.out, error);
  }
}

function formatOf({ out, layout }: RenderOptions): CompositionFormat {
  const extension = extname(out).toLowerCase();
  const format = formats[extension];
  const all = Object.keys(formats).map((e) => e.slice(1));
  if (!format)
    throw new RoomtapError("usage", `no format has the extension "${extension.slice(1)}"`, {
      hint: `name the file .mp4, .webm or .mkv; with --layout audio also one of ${all.join(", ")}`,
    });
  if (layout !== "audio" && !holdsPictures(format))
    throw new RoomtapError("usage", `a ${extension} file holds no pictures`, {
      hint: "add --layout audio, or name the file .mp4, .webm or .mkv",
    });
  return format;
}

function videoOf(o: RenderOptions) {
  const { width, height } = o.size ?? DEFAULT_SIZE;
  const fps = o.fps ?? DEFAULT_FPS;
  if (o.layout === "audio") return undefined;
  const fine = (n: number) => Number.isInteger(n) && n % 2 === 0 && n >= MIN_SIDE && n <= MAX_SIDE;
  if (!fine(width) || !fine(height))
    throw new RoomtapError("usage", `a picture cannot be ${width}x${height}`, {
      hint: `both sides are even numbers from ${MIN_SIDE} to ${MAX_SIDE}, like 1280x720`,
    });
  if (!Number.isInteger(fps) || fps < 1 || fps > MAX_FPS)
    throw new RoomtapError("usage", `not a frame rate: ${fps}`, {
      hint: `whole numbers from 1 to ${MAX_FPS}`,
    });
  const title = o.title?.trim();
  return {
    ...{ layout: o.layout, width, height, fps },
    labels: o.labels ?? true,
    ...(title === undefined || title === "" ? {} : { title }),
  };
}

function directoryOf(session: string): string {
  const full = resolve(session);
  const directory = basename(full) === MANIFEST_FILE ? dirname(full) : full;
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() && isSession(directory)) return directory;
  throw new RoomtapError("usage", `${session} holds no session`, {
    hint: "name the directory that roomtap record made",
  });
}

/** The manifest without the files that cannot be used, and where the others are. */
async function load(directory: string) {
  const { manifest, complete, findings } = await readSession(directory);
  if (!manifest)
    throw new RoomtapError("incomplete", `the manifest cannot be used: ${findings[0]?.message ?? "none"}`, {
      hint: "roomtap repair makes a new one",
    });
  const paths = new Map<string, string>();
  const missing: string[] = [];
  const notices = complete
    ? []
    : ["the session is not complete: what is finished of it is rendered, roomtap repair finishes the rest"];
  for (const { path } of manifest.files) {
    const place = sessionPath(directory, path);
    if (typeof place === "object") paths.set(path, place.real);
    else missing.push(`${path}: ${place === "missing" ? "it is not there" : "it leads out of the session"}`);
  }
  const files = manifest.files.filter((f) => paths.has(f.path));
  if (files.length === 0)
    throw new RoomtapError("no-media", "the session holds no media", {
      hint: "roomtap verify says what is wrong with it",
    });
  return { manifest: { ...manifest, files }, paths, missing, notices };
}

/** The part of the session that is wanted. */
function partOf(manifest: Manifest, { fromMs = 0, toMs }: RenderOptions) {
  const last = Math.max(...manifest.files.map((f) => f.startMs + f.durationMs));
  const endMs = Math.max(last, manifest.durationMs ?? 0);
  if (endMs > MAX_MS)
    throw new RoomtapError(
      "incomplete",
      `the manifest cannot be used: it tells of ${Math.round(endMs / 86_400_000)} days`,
      {
        hint: "roomtap repair makes a new one",
      },
    );
  const part = { fromMs, toMs: Math.min(toMs ?? endMs, endMs) };
  if (part.toMs - part.fromMs >= MIN_MS) return part;
  throw new RoomtapError("usage", "there is nothing between --from and --to", {
    hint: `the session is ${(endMs / 1000).toFixed(1)} s long`,
  });
}

/** Makes sure that the output can be written before anything is decoded. Returns its temporary name. */
function claim(target: string): string {
  const output = `${target}${TEMP_SUFFIX}`;
  try {
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory()) throw new Error("it is a directory");
    closeSync(openSync(output, "w"));
  } catch (cause) {
    throw diskError(target, cause);
  }
  return output;
}
