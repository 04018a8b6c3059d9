import { truncateSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import {
  CLUSTER_MARK,
  findCluster,
  type MatroskaScan,
  MatroskaScanner,
  searchStart,
} from "../../core/containers/matroska/scan.ts";
import { MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import { BlockWriter } from "./block-writer.ts";
import type { FileTrack } from "./journal.ts";
import { codecOfMatroska } from "./matroska-codecs.ts";

const CHUNK = 1024 * 1024;
/** A header alone is not longer than this: what is shorter and tells no tracks holds no media. */
const SMALLEST = 4096;
/** How every Matroska begins. */
const MAGIC = [0x1a, 0x45, 0xdf, 0xa3];

/** A Matroska file that a recorder may have left unfinished. */
export type TornFile = {
  /** What can be played; undefined: nothing. */
  readonly scan: MatroskaScan | undefined;
  /** Nothing was ever written into it but its beginning. */
  readonly empty: boolean;
  /** Octets on disk. */
  readonly size: number;
};

/**
 * Reads a file of ours to its end, also past places that cannot be read: piece by piece, because hours of media
 * take seconds to read, in which the process has other things to do. Rejects with a RoomtapError `incomplete` when
 * it is something else, or its beginning cannot be read; else with the error of the file system.
 */
export async function readTornFile(path: string): Promise<TornFile> {
  const scanner = new MatroskaScanner();
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    let at: number | undefined = 0;
    while (at !== undefined) {
      for await (const piece of pieces(file, at)) scanner.push(piece);
      const start = Math.max(at + 1, searchStart(scanner.length));
      at = scanner.known ? await nextCluster(file, start) : undefined;
      if (at !== undefined) scanner.skip(at);
    }
    const scan = scanner.result();
    const empty =
      !scan && (scanner.known || (size <= SMALLEST && isBeginning(await pieceAt(file, 0, SMALLEST))));
    if (!empty && !(scan && scanner.ours)) {
      const why = scanner.known ? "was not written by roomtap" : "cannot be read";
      throw new RoomtapError("incomplete", `${path} ${why}; it is left as it is`);
    }
    return { scan, empty, size };
  } finally {
    await file.close();
  }
}

/**
 * Cuts the torn end off, covers what cannot be read, and writes what `MatroskaWriter.finish` writes. Rejects with a
 * RoomtapError `disk-full` or `output-unwritable`.
 */
export async function finishTornFile(path: string, scan: MatroskaScan): Promise<void> {
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
    disk.push([...scan.covers, ...MatroskaWriter.resume(scan.docType, { ...scan, cues }).finish()]);
    await disk.close();
    return failure;
  };
  let failure = await attempt(scan.cues);
  // A full disk has no room for cues; for the rest there is a place in the file.
  if (failure?.code === "disk-full") failure = await attempt([]);
  if (failure) throw failure;
}

/** The tracks of a file, as a manifest tells them. */
export function tracksOf(scan: MatroskaScan): FileTrack[] {
  return scan.tracks.flatMap((t) => {
    const codec = codecOfMatroska(t);
    if (codec === undefined) return [];
    const frames = scan.counts.get(t.number)?.frames ?? 0;
    return [
      { kind: t.kind, codec, frames, ...(t.kind === "video" ? { width: t.width, height: t.height } : {}) },
    ];
  });
}

/** It may be what was on disk of a header when the power failed; never what somebody else wrote. */
function isBeginning(bytes: Uint8Array): boolean {
  return bytes.every((b) => b === 0) || MAGIC.every((b, i) => i >= bytes.length || bytes[i] === b);
}

/** Offset of the first cluster at or behind `start`; undefined: there is none. */
async function nextCluster(file: FileHandle, start: number): Promise<number | undefined> {
  for (let at = start; ; at += CHUNK) {
    // A little of the next piece, for a cluster across the border.
    const bytes = await pieceAt(file, at, CHUNK + CLUSTER_MARK);
    const found = findCluster(bytes);
    if (found >= 0) return at + found;
    if (bytes.length < CHUNK) return undefined;
  }
}

async function* pieces(file: FileHandle, from: number): AsyncIterable<Uint8Array> {
  for (let at = from; ; ) {
    const piece = await pieceAt(file, at, CHUNK);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

async function pieceAt(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  return bytes.subarray(0, bytesRead);
}
