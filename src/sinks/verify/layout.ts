import { ascii, u32 } from "../../core/bytes.ts";
import { matroskaLayout } from "./matroska-layout.ts";
import { mp4Layout } from "./mp4-layout.ts";
import { oggLayout } from "./ogg-layout.ts";
import { RandomAccessFile } from "./random-access.ts";

/** What keeps a container from being read to its end, or from being sought in. */
export type LayoutProblem = {
  readonly code: "unreadable" | "unfinished" | "not-seekable";
  readonly message: string;
};

/** How a media file is laid out. */
export type Layout = {
  readonly container: "webm" | "mkv" | "mp4" | "ogg";
  /** How long the file says that it is, milliseconds; absent where the container has no place for it. */
  readonly durationMs?: number;
  /** Size of the pictures as the container describes them; absent: not read from there. */
  readonly video?: readonly { readonly width: number; readonly height: number }[];
  readonly problems: readonly LayoutProblem[];
};

/** ffmpeg's name for the reader of a container: a file is not read as anything else. */
export const demuxers: Readonly<Record<Layout["container"], string>> = {
  webm: "matroska",
  mkv: "matroska",
  mp4: "mov",
  ogg: "ogg",
};

const EBML = 0x1a45dfa3;

/**
 * Looks how a file is laid out, by its own first octets and not by its name, without reading the media in it.
 * undefined: it is none of the containers that Roomtap writes. Rejects with the system's error.
 */
export async function layoutOf(path: string): Promise<Layout | undefined> {
  const file = await RandomAccessFile.open(path);
  try {
    const head = await file.read(0, 16);
    if (head.length < 8) return undefined;
    if (u32(head, 0) === EBML) return await matroskaLayout(file);
    if (ascii(head.subarray(4, 8)) === "ftyp") return await mp4Layout(file);
    if (ascii(head.subarray(0, 4)) === "OggS") return await oggLayout(file);
    return undefined;
  } finally {
    await file.close();
  }
}
