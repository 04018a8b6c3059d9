import { constants, existsSync, renameSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import { convertRecording } from "../ffmpeg/convert.ts";
import { probeFile } from "../ffmpeg/probe.ts";
import { diskError } from "../sinks/recorder/block-writer.ts";
import { fileSize } from "../sinks/recorder/found-files.ts";
import type { FileTrack } from "../sinks/recorder/journal.ts";
import { type AskedFormat, finalFormat, isFinal, TEMP_SUFFIX } from "../sinks/recorder/output.ts";
import type { RecoveredFile } from "../sinks/recorder/recover.ts";
import { finishTornFile, readTornFile, tracksOf } from "../sinks/recorder/torn-file.ts";

/** A Matroska of ours, as its name may be. */
const matroska = /\.(?:webm|mkv)(?:\.part)?$/i;

/** How to repair a file that belongs to no session. */
export type RepairFileOptions = {
  /** Absolute. */
  readonly path: string;
  readonly format: AskedFormat | undefined;
  /** Finds ffmpeg, when it is needed. */
  readonly ffmpeg: () => Promise<string>;
  readonly skip: AbortSignal;
  readonly onProgress: (share: number) => void;
};

/**
 * Makes one Matroska file whole: in a copy, which takes its place in one step, so that there is no moment at which
 * it could be lost. `NAME.webm.part` becomes `NAME.webm`; another format is made beside it. Resolves with the files
 * that were made or changed, by absolute path; none: it was whole. Rejects with a RoomtapError.
 */
export async function repairFile(o: RepairFileOptions): Promise<RecoveredFile[]> {
  const { path } = o;
  if (!matroska.test(path) || fileSize(path) === undefined) {
    throw new RoomtapError("usage", `${path} is no Matroska or WebM file`, {
      hint: "name a session directory, a directory of sessions, or a file like talk.webm.part",
    });
  }
  const { scan, size } = await readTornFile(path);
  if (!scan) throw new RoomtapError("incomplete", `nothing in ${path} can be played; it is left as it is`);
  const target = path.endsWith(TEMP_SUFFIX) ? freeName(path.slice(0, -TEMP_SUFFIX.length)) : path;
  const tracks = tracksOf(scan);
  const figures = { durationMs: Math.round(scan.endMs), frames: framesOf(tracks) };
  const out: RecoveredFile[] = [];
  if (!scan.finished) {
    await copyInto(path, target, (copy) => finishTornFile(copy, scan));
    if (target !== path) rmSync(path);
    const media = { openMs: scan.openMs, cutBytes: size - scan.length, damagedBytes: scan.damaged };
    out.push({ path: target, state: "completed", ...figures, media });
  } else if (target !== path) {
    renameSync(path, target);
    out.push({ path: target, state: "completed", ...figures });
  }
  const codecs = tracks.map((t) => t.codec);
  const format = finalFormat(o.format ?? "auto", codecs);
  if (o.format === undefined || isFinal(format, codecs)) return out;
  if (format !== "mp4" && format !== "webm") {
    throw new RoomtapError("usage", `a single file is not made ${format}`, {
      hint: "--format webm or mp4; whole sessions become anything that record makes",
    });
  }
  const made = await convert(target, { ...o, format, tracks, durationMs: scan.endMs });
  return [...out, { ...made, convertedFrom: target }];
}

type ConvertWhat = Pick<RepairFileOptions, "ffmpeg" | "skip" | "onProgress"> & {
  readonly format: "webm" | "mp4";
  readonly tracks: readonly FileTrack[];
  readonly durationMs: number;
};

async function convert(input: string, o: ConvertWhat): Promise<RecoveredFile> {
  const name = freeName(join(dirname(input), `${basename(input, extname(input))}.${o.format}`));
  const output = `${name}${TEMP_SUFFIX}`;
  const video = o.tracks.find((t) => t.kind === "video");
  const audio = o.tracks.find((t) => t.kind === "audio");
  rmSync(output, { force: true });
  try {
    await convertRecording({
      ffmpeg: await o.ffmpeg(),
      input,
      output,
      format: o.format,
      durationMs: o.durationMs,
      ...(audio ? { audio: audio.codec } : {}),
      signal: o.skip,
      onProgress: o.onProgress,
      // Nothing tells whether there are pictures of other sizes in it: each is put onto the same canvas.
      ...(video?.width !== undefined && video.height !== undefined
        ? { video: { codec: video.codec, width: video.width, height: video.height, resized: true } }
        : {}),
    });
    const { durationMs, tracks } = await probeFile(output);
    renameSync(output, name);
    return { path: name, state: "completed", durationMs: Math.round(durationMs), frames: framesOf(tracks) };
  } catch (error) {
    rmSync(output, { force: true });
    throw error instanceof RoomtapError ? error : diskError(output, error);
  }
}

/** Copies a file, works on the copy, and gives that the name `target`. */
async function copyInto(path: string, target: string, work: (copy: string) => Promise<void>): Promise<void> {
  const copy = `${target}.repair${TEMP_SUFFIX}`;
  rmSync(copy, { force: true });
  try {
    await copyFile(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await work(copy);
    renameSync(copy, target);
  } catch (error) {
    rmSync(copy, { force: true });
    throw error instanceof RoomtapError ? error : diskError(copy, error);
  }
}

function framesOf(tracks: readonly { readonly kind: string; readonly frames: number }[]): number {
  return (tracks.find((t) => t.kind === "video") ?? tracks[0])?.frames ?? 0;
}

/** `NAME.ext`, or `NAME-2.ext`, ... where that exists. */
function freeName(path: string): string {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  let name = path;
  for (let n = 2; existsSync(name); n++) name = `${stem}-${n}${extension}`;
  return name;
}
