import { existsSync, rmSync, statSync, truncateSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type MatroskaScan, MatroskaScanner } from "../../core/containers/matroska/scan.ts";
import { MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import { BlockWriter, diskError } from "./block-writer.ts";
import { type Conversion, completeFile, convertAll } from "./convert.ts";
import { type FileOpened, type FileTrack, Journal, readJournal } from "./journal.ts";
import { codecOfMatroska } from "./matroska-codecs.ts";
import { TEMP_SUFFIX } from "./output.ts";

const CHUNK = 1024 * 1024;
/** A header alone is longer than this: what is shorter holds no media. */
const SMALLEST = 4096;

/** Options of `recoverSession`. */
export type RecoverOptions = {
  /** Path of ffmpeg; empty: containers that need it stay Matroska. */
  readonly ffmpeg?: string;
  readonly skip?: AbortSignal;
  readonly onProgress?: (share: number) => void;
};

/**
 * Completes what a recorder that died left in a session directory: cuts torn ends, writes durations and cues,
 * gives final containers and names. Does nothing where nothing is open. Resolves with the first failure.
 */
export async function recoverSession(
  directory: string,
  o: RecoverOptions = {},
): Promise<RoomtapError | undefined> {
  const entries = readJournal(directory);
  const closed = new Set(entries.filter((e) => e.t === "file-close").map((e) => e.id));
  const unfinished = entries.filter((e) => e.t === "file-open").filter((e) => !closed.has(e.id));
  if (unfinished.length === 0) return undefined;
  const journal = new Journal(directory);
  try {
    const conversions: Conversion[] = [];
    let failure: RoomtapError | undefined;
    for (const file of unfinished) {
      const known = entries.filter((e) => e.t === "file-complete").find((e) => e.id === file.id)?.path;
      const resized = entries.some((e) => e.t === "size" && e.id === file.id);
      try {
        const conversion = await complete(directory, file, { known, resized, journal });
        if (conversion) conversions.push(conversion);
      } catch (error) {
        failure ??= error instanceof RoomtapError ? error : diskError(join(directory, file.temp), error);
      }
    }
    const unconverted = await convertAll(conversions, {
      directory,
      journal,
      ffmpeg: o.ffmpeg ?? "",
      skip: o.skip ?? new AbortController().signal,
      onProgress: o.onProgress ?? (() => undefined),
    });
    return failure ?? unconverted;
  } finally {
    journal.close();
  }
}

/** Makes one file whole; undefined when there is nothing in it. `known`: its name, if it was complete already. */
async function complete(
  directory: string,
  file: FileOpened,
  o: { known: string | undefined; resized: boolean; journal: Journal },
): Promise<Conversion | undefined> {
  const conversion = `${file.stem}.${file.format}${TEMP_SUFFIX}`;
  if (conversion !== file.temp) rmSync(join(directory, conversion), { force: true });
  const path = join(directory, o.known ?? file.temp);
  if (!existsSync(path)) return undefined;
  const scanner = await scanFile(path);
  const scan = scanner.result();
  if (!scan) {
    if (!scanner.known && statSync(path).size > SMALLEST) {
      throw new RoomtapError("incomplete", `${path} cannot be read; it is left as it is`);
    }
    rmSync(path, { force: true });
    return undefined;
  }
  if (o.known === undefined) await finishFile(path, scan);
  return {
    opened: file,
    path: o.known ?? completeFile(directory, file, o.journal),
    durationMs: Math.round(scan.endMs),
    tracks: tracksOf(scan),
    resized: o.resized,
    recovered: true,
  };
}

/** Cuts the torn end off and writes what `MatroskaWriter.finish` writes. */
async function finishFile(path: string, scan: MatroskaScan): Promise<void> {
  const attempt = async (cues: MatroskaScan["cues"]) => {
    let failure: RoomtapError | undefined;
    truncateSync(path, scan.length);
    const disk = new BlockWriter(
      path,
      (error) => {
        failure = error;
      },
      "r+",
    );
    disk.push(MatroskaWriter.resume(scan.docType, { ...scan, cues }).finish());
    await disk.close();
    return failure;
  };
  let failure = await attempt(scan.cues);
  // A full disk has no room for cues; for the rest there is a place in the file.
  if (failure?.code === "disk-full") failure = await attempt([]);
  if (failure) throw failure;
}

/** Piece by piece: hours of media take seconds to read, in which the process has other things to do. */
async function scanFile(path: string): Promise<MatroskaScanner> {
  const scanner = new MatroskaScanner();
  const chunk = new Uint8Array(CHUNK);
  const file = await open(path, "r");
  try {
    for (let n = await readInto(file, chunk); n > 0; n = await readInto(file, chunk))
      scanner.push(chunk.slice(0, n));
  } finally {
    await file.close();
  }
  return scanner;
}

async function readInto(file: FileHandle, chunk: Uint8Array): Promise<number> {
  return (await file.read(chunk, 0, chunk.length)).bytesRead;
}

function tracksOf(scan: MatroskaScan): FileTrack[] {
  return scan.tracks.flatMap((t) => {
    const codec = codecOfMatroska(t);
    if (codec === undefined) return [];
    const frames = scan.counts.get(t.number)?.frames ?? 0;
    return [
      { kind: t.kind, codec, frames, ...(t.kind === "video" ? { width: t.width, height: t.height } : {}) },
    ];
  });
}
