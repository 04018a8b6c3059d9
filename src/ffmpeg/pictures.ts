import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../core/bytes.ts";
import { RoomtapError } from "../core/fault.ts";
import type { Rotation } from "../core/frame.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { runFfmpeg } from "./run.ts";

/** Size of a still, pixels; and of the strip below it that says whose it is. */
const WIDTH = 320;
const HEIGHT = 180;
const STRIP = 24;
/** Pixels decoded at most on the way from a keyframe to the wanted time. */
const REACH_PIXELS = 20e6;
/** The same in frames. */
const MIN_REACH = 15;
const MAX_REACH = 300;
/** The most typical of so many frames is taken; they have to be of one size, so not of many. */
const CHOICE = 6;
/** An ffmpeg that takes longer hangs, or reads something that is not worth a picture. Milliseconds. */
const TIMEOUT_MS = 5000;
/** The middle of a still, which is inside the picture whatever its shape: luma is looked at there. */
const MIDDLE = { left: 120, right: 200, top: 50, bottom: 130 };
/** Limits of luma, 16..235, for a picture that shows something: mean and standard deviation. */
const DARK = 28;
const FLAT = 4;

/** A file with a picture in it, as pictures are taken of it. */
export type PictureSource = {
  readonly ffmpeg: string;
  readonly path: string;
  /** Largest picture in it, pixels. */
  readonly width: number;
  readonly height: number;
  /** Clockwise, to be shown upright. */
  readonly rotation: Rotation;
  readonly signal: AbortSignal;
};

/** Size and rotation of the pictures in a file; undefined when there are none. Reads the file's head only. */
export async function probePicture(
  path: string,
): Promise<Pick<PictureSource, "width" | "height" | "rotation"> | undefined> {
  const { ALL_FORMATS, FilePathSource, Input } = await import("mediabunny");
  const input = new Input({ formats: ALL_FORMATS, source: new FilePathSource(path) });
  try {
    const track = await input.getPrimaryVideoTrack();
    return track
      ? { width: track.codedWidth, height: track.codedHeight, rotation: track.rotation }
      : undefined;
  } catch {
    return undefined;
  } finally {
    input.dispose();
  }
}

/** A small picture of a moment. */
export type Still = {
  /** YUV 4:2:0, planar, of `WIDTH` x `HEIGHT`: the picture upright in the middle, black around it. */
  readonly pixels: Uint8Array;
  /** Milliseconds on the file's timeline. */
  readonly atMs: number;
  /** The same in the file's own unit. */
  readonly pts: number;
  /** Milliseconds that were asked for: from the keyframe before it, the still is reached. */
  readonly wantedMs: number;
  /** It is neither black nor of one colour. */
  readonly good: boolean;
};

/**
 * Takes a small picture at a time, milliseconds, or as near after it as it can be had. The file is read from the
 * keyframe before; where that is far, the picture is of as far as decoding is cheap. Undefined: no picture comes after
 * that time. Rejects with a RoomtapError `ffmpeg-failed`.
 */
export async function takeStill(o: PictureSource, atMs: number): Promise<Still | undefined> {
  const reach = Math.round(Math.max(MIN_REACH, Math.min(MAX_REACH, REACH_PIXELS / (o.width * o.height))));
  let shown: { pts: number; atMs: number } | undefined;
  const pixels = await grab(o, atMs, {
    filters: [
      `select=gte(t\\,${(atMs / 1000).toFixed(3)})+gte(n\\,${reach})`,
      ...upright(o.rotation),
      `scale=${WIDTH}:${HEIGHT}:force_original_aspect_ratio=decrease`,
      "setsar=1",
      `thumbnail=${CHOICE}`,
      `pad=${WIDTH}:${HEIGHT}:(ow-iw)/2:(oh-ih)/2`,
      "showinfo",
    ],
    options: ["-f", "rawvideo", "-pix_fmt", "yuv420p"],
    onLog: (line) => {
      const m = /pts: *(-?\d+) +pts_time:(-?[\d.]+)/.exec(line);
      if (m) shown = { pts: Number(m[1]), atMs: Math.round(1000 * Number(m[2])) };
    },
  });
  if (!shown || pixels.length !== (WIDTH * HEIGHT * 3) / 2) return undefined;
  return { pixels, ...shown, wantedMs: atMs, good: showsSomething(pixels) };
}

/** The picture of a still as large as it was sent, as JPEG. Rejects with a RoomtapError `ffmpeg-failed`. */
export async function takePoster(o: PictureSource, still: Still): Promise<Uint8Array> {
  const jpeg = await grab(o, still.wantedMs, {
    filters: [`select=gte(pts\\,${still.pts})`, ...upright(o.rotation), "setsar=1", "format=yuvj420p"],
    options: ["-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg"],
  });
  return wholeJpeg(jpeg);
}

/** A still and what is written below it. */
export type SheetTile = { readonly still: Still; readonly label: string };

/**
 * Lays stills out in a grid, as JPEG. Labels go through files of their own, so that what somebody calls themselves is
 * neither a filter nor an instruction to one; an ffmpeg that cannot write text leaves them out. Rejects with a
 * RoomtapError `ffmpeg-failed`.
 */
export async function composeSheet(
  ffmpeg: string,
  tiles: readonly SheetTile[],
  columns: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { filters } = await ffmpegCapabilities(ffmpeg);
  const run = async (cwd: string | undefined, labels: readonly string[]) =>
    wholeJpeg(await output(ffmpeg, sheetCommand(tiles.length, columns, labels), { cwd, tiles, signal }));
  if (!filters.has("drawtext")) return run(undefined, []);
  const folder = await mkdtemp(join(tmpdir(), "roomtap-labels-"));
  try {
    const names = tiles.map((_, i) => `label-${i}.txt`);
    await Promise.all(tiles.map((t, i) => writeFile(join(folder, names[i] ?? ""), t.label)));
    return await run(folder, names);
  } catch (error) {
    if (signal.aborted) throw error;
    // It has no font.
    return await run(undefined, []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The command that makes a sheet of raw stills on the standard input. `labels`: names of text files. */
export function sheetCommand(count: number, columns: number, labels: readonly string[]): CommandSpec {
  const text = "fontsize=14:fontcolor=white:x=6:y=h-18";
  return {
    inputs: [
      {
        source: "stdin",
        options: ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${WIDTH}x${HEIGHT}`, "-r", "1"],
      },
    ],
    videoFilters: [
      `pad=${WIDTH}:${HEIGHT + STRIP}:0:0:0x202020`,
      ...labels.map((name, i) => `drawtext=textfile=${name}:expansion=none:enable=eq(n\\,${i}):${text}`),
      `tile=${columns}x${Math.ceil(count / columns)}:margin=4:padding=4:color=0x101010`,
      "format=yuvj420p",
    ],
    options: ["-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg"],
    output: "stdout",
  };
}

type Grab = {
  readonly filters: readonly string[];
  readonly options: readonly string[];
  readonly onLog?: (line: string) => void;
};

/** One frame of a file, from the keyframe before a time on. */
async function grab(o: PictureSource, atMs: number, g: Grab): Promise<Uint8Array> {
  const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
  const input = [
    "-noautorotate",
    "-threads",
    "1",
    "-noaccurate_seek",
    "-ss",
    (atMs / 1000).toFixed(3),
    "-copyts",
  ];
  const command: CommandSpec = {
    inputs: [{ source: o.path, options: input }],
    videoFilters: g.filters,
    options: [
      // What showinfo says is news.
      ...["-loglevel", "level+info", "-map", "0:v:0", "-frames:v", "1"],
      ...[fpsMode ? "-fps_mode" : "-vsync", "passthrough", ...g.options],
    ],
    output: "stdout",
  };
  return output(o.ffmpeg, command, { signal: o.signal, ...(g.onLog ? { onLog: g.onLog } : {}) });
}

type OutputOptions = {
  readonly signal: AbortSignal;
  readonly cwd?: string | undefined;
  readonly tiles?: readonly SheetTile[];
  readonly onLog?: (line: string) => void;
};

/** All that a command writes. */
async function output(ffmpeg: string, command: CommandSpec, o: OutputOptions): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await runFfmpeg({
    ffmpeg,
    command,
    nice: true,
    signal: AbortSignal.any([o.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    patience: { eofMs: 0, interruptMs: 500 },
    onOutput: (bytes) => void parts.push(bytes),
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
    ...(o.tiles ? { input: stillsOf(o.tiles) } : {}),
    ...(o.onLog ? { onLog: o.onLog } : {}),
  });
  return concat(parts);
}

async function* stillsOf(tiles: readonly SheetTile[]): AsyncIterable<Uint8Array> {
  for (const { still } of tiles) yield still.pixels;
}

/** Filters that turn a picture upright. `rotation`: clockwise. */
export function upright(rotation: Rotation): string[] {
  if (rotation === 180) return ["hflip", "vflip"];
  if (rotation === 0) return [];
  return [rotation === 90 ? "transpose=clock" : "transpose=cclock"];
}

function showsSomething(pixels: Uint8Array): boolean {
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (let y = MIDDLE.top; y < MIDDLE.bottom; y++) {
    for (let x = MIDDLE.left; x < MIDDLE.right; x++) {
      const luma = pixels[y * WIDTH + x] ?? 0;
      n++;
      sum += luma;
      squares += luma * luma;
    }
  }
  const mean = sum / n;
  return mean > DARK && Math.sqrt(Math.max(0, squares / n - mean * mean)) > FLAT;
}

function wholeJpeg(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes.at(-2) === 0xff && bytes.at(-1) === 0xd9) return bytes;
  throw new RoomtapError("ffmpeg-failed", "ffmpeg made no picture");
}
