import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DocType } from "../../core/containers/matroska/writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import { convertRecording } from "../../ffmpeg/convert.ts";
import { type ProbedFile, probeFile } from "../../ffmpeg/probe.ts";
import { diskError } from "./block-writer.ts";
import { convertToOgg, type OggMade } from "./convert-ogg.ts";
import { type FileOpened, type FileTrack, type Journal, readJournal } from "./journal.ts";
import { extensionOf, type FileFormat, finalFormat, isFinal, TEMP_SUFFIX } from "./output.ts";

/** A complete Matroska that shall become what was asked for. */
export type Conversion = {
  readonly opened: FileOpened;
  /** Its name in the session directory, already a final one. */
  readonly path: string;
  readonly durationMs: number;
  readonly tracks: readonly FileTrack[];
  /** Pictures of more than one size are in it. */
  readonly resized: boolean;
  /** It was completed after its recorder had died. */
  readonly recovered?: true;
};

/** What conversions need. */
export type ConvertOptions = {
  readonly directory: string;
  /** Path of ffmpeg; empty: none. */
  readonly ffmpeg: string;
  readonly journal: Journal;
  /** Aborted: what is left stays Matroska. */
  readonly skip: AbortSignal;
  /** Share of all media converted, 0..1. */
  readonly onProgress: (share: number) => void;
};

/** Gives a complete Matroska its final name and says so in the journal. Returns the name. */
export function completeFile(
  directory: string,
  opened: FileOpened,
  written: DocType,
  journal: Journal,
): string {
  const path = finalName(directory, opened.stem, extensionOf(written));
  renameSync(join(directory, opened.temp), join(directory, path));
  journal.append({ t: "file-complete", id: opened.id, path });
  return path;
}

/**
 * Makes of every file the container that was asked for, one after the other. A conversion that fails or is
 * skipped keeps the Matroska. Resolves with the first failure; never rejects.
 */
export async function convertAll(
  list: readonly Conversion[],
  o: ConvertOptions,
): Promise<RoomtapError | undefined> {
  const total = list.reduce((n, c) => n + c.durationMs, 0) || 1;
  let done = 0;
  let failure: RoomtapError | undefined;
  for (const c of list) {
    try {
      await convertOne(c, {
        ...o,
        onProgress: (share) => o.onProgress((done + share * c.durationMs) / total),
      });
    } catch (error) {
      failure ??= error instanceof RoomtapError ? error : diskError(join(o.directory, c.path), error);
      keep(c, o);
    }
    done += c.durationMs;
    o.onProgress(done / total);
  }
  return failure;
}

async function convertOne(c: Conversion, o: ConvertOptions): Promise<void> {
  const codecs = c.tracks.map((t) => t.codec);
  const format = finalFormat(c.opened.format, codecs);
  const scale = c.opened.scale === true && c.resized;
  const gaps = c.opened.fill ? videoGapsOf(o.directory, c.opened) : [];
  if ((isFinal(format, codecs) && !scale && gaps.length === 0) || o.skip.aborted) {
    keep(c, o);
    return;
  }
  const own = format === "ogg" && codecs.every((codec) => codec === "opus" || codec === "multiopus");
  if (o.ffmpeg === "" && !own) {
    throw new RoomtapError("ffmpeg-missing", `no ffmpeg to make ${format} files`, {
      hint: "install ffmpeg or pass --ffmpeg; the recording is kept as Matroska",
    });
  }
  const input = join(o.directory, c.path);
  const name = finalName(o.directory, c.opened.stem, format);
  const output = `${join(o.directory, name)}${TEMP_SUFFIX}`;
  const video = c.tracks.find((t) => t.kind === "video");
  const audio = c.tracks.find((t) => t.kind === "audio");
  let probed: ProbedFile;
  if (own) {
    await toOgg(c, o, { input, output, name });
    return;
  }
  try {
    await convertRecording({
      ffmpeg: o.ffmpeg,
      input,
      output,
      format,
      durationMs: c.durationMs,
      ...(audio ? { audio: audio.codec } : {}),
      signal: o.skip,
      onProgress: o.onProgress,
      ...(video?.width !== undefined && video.height !== undefined
        ? {
            video: {
              codec: video.codec,
              width: video.width,
              height: video.height,
              resized: c.resized && (scale || format === "mp4" || gaps.length > 0),
              ...(c.opened.fill && gaps.length > 0 ? { fill: { with: c.opened.fill, gaps } } : {}),
            },
          }
        : {}),
    });
    probed = await probeFile(output);
  } catch (error) {
    rmSync(output, { force: true });
    if (!o.skip.aborted) throw error;
    keep(c, o);
    return;
  }
  renameSync(output, join(o.directory, name));
  o.journal.append({
    t: "file-close",
    id: c.opened.id,
    path: name,
    format,
    durationMs: Math.round(probed.durationMs),
    bytes: probed.bytes,
    tracks: probed.tracks.map(({ durationMs: _, ...track }) => track),
    ...(c.recovered ? { recovered: true as const } : {}),
  });
  // Only now: a process that dies in between leaves the media twice rather than unaccounted for.
  rmSync(input, { force: true });
}

/** Ogg Opus needs no ffmpeg. */
async function toOgg(
  c: Conversion,
  o: ConvertOptions,
  f: { readonly input: string; readonly output: string; readonly name: string },
): Promise<void> {
  let made: OggMade;
  rmSync(f.output, { force: true });
  try {
    made = await convertToOgg({
      input: f.input,
      output: f.output,
      tags: tagsOf(o.directory, c.opened),
      signal: o.skip,
      onProgress: o.onProgress,
    });
  } catch (error) {
    rmSync(f.output, { force: true });
    if (!o.skip.aborted) throw error;
    keep(c, o);
    return;
  }
  renameSync(f.output, join(o.directory, f.name));
  o.journal.append({
    t: "file-close",
    id: c.opened.id,
    path: f.name,
    format: "ogg",
    ...made,
    ...(c.recovered ? { recovered: true as const } : {}),
  });
  rmSync(f.input, { force: true });
}

/** Whose voice it is, and when it was: what players show. */
function tagsOf(directory: string, { participant, startMs }: FileOpened): Record<string, string> {
  const zero = readJournal(directory).find((e) => e.t === "first-media")?.at ?? Number.NaN;
  const date = new Date(zero + startMs);
  return { TITLE: participant, ...(Number.isNaN(date.getTime()) ? {} : { DATE: date.toISOString() }) };
}

/** Where pictures are missing in a file, in its own time. */
function videoGapsOf(directory: string, opened: FileOpened): { fromMs: number; toMs: number }[] {
  return readJournal(directory).flatMap((e) =>
    e.t === "gap" && e.id === opened.id && e.kind === "video"
      ? [{ fromMs: e.fromMs - opened.startMs, toMs: e.toMs - opened.startMs }]
      : [],
  );
}

/** The Matroska is what stays. */
function keep(c: Conversion, o: ConvertOptions): void {
  const path = join(o.directory, c.path);
  if (!existsSync(path)) return;
  o.journal.append({
    t: "file-close",
    id: c.opened.id,
    path: c.path,
    format: c.path.endsWith(".webm") ? "webm" : "mkv",
    durationMs: c.durationMs,
    bytes: statSync(path).size,
    tracks: c.tracks,
    ...(c.recovered ? { recovered: true as const } : {}),
  });
}

/** `stem.ext`, or `stem-2.ext`, ... where that exists. */
function finalName(directory: string, stem: string, format: FileFormat): string {
  let name = `${stem}.${format}`;
  for (let n = 2; existsSync(join(directory, name)); n++) name = `${stem}-${n}.${format}`;
  return name;
}
