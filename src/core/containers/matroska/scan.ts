import { concat, equalBytes, u8 } from "../../bytes.ts";
import { Id, idBytes, sizeBytes, text, voidElement } from "./ebml.ts";
import { MatroskaReader } from "./reader.ts";
import type { MatroskaTrack } from "./track.ts";
import { type FilePatch, MatroskaWriter, type WriterState } from "./writer.ts";

/** Frames of one track, counted. */
export type TrackCount = { frames: number; lastMs: number };

/** A part of a file that cannot be read. `clusterEnd`: where the cluster that it is in says it ends. */
type Hole = { readonly from: number; readonly to: number; readonly clusterEnd: number | undefined };

/** What a file of ours holds, as far as it is whole. */
export type MatroskaScan = WriterState & {
  readonly docType: "webm" | "matroska";
  /** By track number. */
  readonly counts: ReadonlyMap<number, TrackCount>;
  /** Its end was written, all of it: nothing is to be done. */
  readonly finished: boolean;
  /** Media that has no end yet: of the last cluster, milliseconds. */
  readonly openMs: number;
  /** Octets that cannot be read, with clusters behind them; `covers` makes players pass over them. */
  readonly damaged: number;
  readonly covers: readonly FilePatch[];
};

/** Milliseconds added for the last frame of a file, whose duration nothing tells. */
const LAST_PICTURE_MS = 33;
const LAST_SOUND_MS = 20;
const SIZE_FIELD = 8;
/** The header is in here: what it says of its writer, and whether there is a duration. */
const HEAD = 4096;
/** Octets by which a cluster of ours is known: id, size of eight octets, its time. */
export const CLUSTER_MARK = 14;
/** The shortest thing that can be put over a hole. */
const SHORTEST_HOLE = 2;

/**
 * Reads what an interrupted recording of ours left: push the file's octets in order, then `result` says where
 * the last whole block ends and all that is needed to finish the file there. Where it stops before the file's end,
 * look for a cluster behind that with `findCluster` and go on there with `skip`.
 */
export class MatroskaScanner {
  #reader = new MatroskaReader();
  /** Where in the file the reader began. */
  #base = 0;
  #pushed = 0;
  #head: Uint8Array = new Uint8Array(0);
  readonly #counts = new Map<number, TrackCount>();
  readonly #cues: { timeMs: number; track: number; cluster: number }[] = [];
  readonly #holes: Hole[] = [];
  /** There is a picture to seek to. */
  #pictured = false;
  #docType = "";
  #tracks: readonly MatroskaTrack[] = [];
  #cluster: { at: number; timeMs: number; end: number | undefined; blocks: number } | undefined;
  /** The cluster of the last block. */
  #last: { at: number; timeMs: number; end: number | undefined } | undefined;
  #length = 0;
  /** Start of the first cluster. */
  #headerEnd = 0;
  #endMs = 0;

  /** The next octets of the file. */
  push(bytes: Uint8Array): void {
    if (this.#head.length < HEAD)
      this.#head = concat([this.#head, bytes.subarray(0, HEAD - this.#head.length)]);
    const base = this.#base;
    this.#pushed += bytes.length;
    for (const e of this.#reader.push(bytes)) {
      if (e.t === "header") this.#docType = e.docType;
      else if (e.t === "tracks") this.#tracks = e.tracks;
      else if (e.t === "cluster") {
        const end = e.end === undefined ? undefined : base + e.end;
        this.#headerEnd ||= base + e.at;
        this.#cluster = { at: base + e.at, timeMs: e.timeMs, end, blocks: 0 };
      } else this.#block(e.track, e.timeMs, e.keyframe, base + e.end);
    }
  }

  /** The next octets are those from `at` on, where a cluster starts; what was not read before it is a hole. */
  skip(at: number): void {
    this.#reader = new MatroskaReader();
    this.#base = at;
    this.#cluster = undefined;
    if (this.#holes.at(-1)?.from === this.#length) this.#holes.pop();
    this.#holes.push({ from: this.#length, to: at, clusterEnd: this.#last?.end });
  }

  /** Where the last whole block ends; 0 before the first. */
  get length(): number {
    return this.#length;
  }

  /** The file tells its tracks: without a `result` there is no frame in it. */
  get known(): boolean {
    return this.#tracks.length > 0;
  }

  /** The file was begun by our writer: its header has the places that finishing it writes to. */
  get ours(): boolean {
    const writer = new MatroskaWriter(this.#type(), []);
    const start = writer.segmentStart - SIZE_FIELD;
    const begin = writer.header().bytes.subarray(0, start);
    return (
      equalBytes(this.#head.subarray(0, start), begin) &&
      indexOf(this.#head, text(Id.WritingApp, "roomtap"), 0) >= 0
    );
  }

  /** undefined: nothing in the file can be played. */
  result(): MatroskaScan | undefined {
    const last = this.#last;
    if (!last || this.#tracks.length === 0) return undefined;
    const docType = this.#type();
    const { segmentStart } = new MatroskaWriter(docType, []);
    const open = last.end !== this.#length;
    const holes = this.#holes.filter((h) => h.to <= this.#length);
    return {
      docType,
      tracks: this.#tracks,
      length: this.#length,
      headerEnd: this.#headerEnd,
      endMs: this.#endMs,
      cues: this.#cues.map((c) => ({ ...c, cluster: c.cluster - segmentStart })),
      counts: this.#counts,
      finished: !open && holes.length === 0 && this.#isEnded(segmentStart),
      openMs: open ? this.#endMs - last.timeMs : 0,
      damaged: holes.reduce((n, h) => n + h.to - h.from, 0),
      covers: holes.flatMap(coverOf),
      ...(open ? { openCluster: last.at } : {}),
    };
  }

  /** The header tells the duration, which is written last, and a size that agrees with the file's. */
  #isEnded(segmentStart: number): boolean {
    const size = sizeBytes(this.#pushed - segmentStart, SIZE_FIELD);
    return (
      equalBytes(this.#head.subarray(segmentStart - SIZE_FIELD, segmentStart), size) &&
      indexOf(this.#head, idBytes(Id.Duration), segmentStart) >= 0
    );
  }

  #type(): "webm" | "matroska" {
    return this.#docType === "webm" ? "webm" : "matroska";
  }

  #block(track: number, timeMs: number, keyframe: boolean, end: number): void {
    const info = this.#tracks.find((t) => t.number === track);
    const c = this.#cluster;
    if (!info || !c) return;
    const isVideo = info.kind === "video";
    const first = c.blocks++ === 0;
    this.#pictured ||= first && isVideo && keyframe;
    // The rule by which the writer chose its cues.
    if (first && (isVideo ? keyframe : !this.#pictured)) {
      this.#cues.push({ timeMs: c.timeMs, track, cluster: c.at });
    }
    const count = this.#counts.get(track) ?? { frames: 0, lastMs: 0 };
    count.frames++;
    count.lastMs = timeMs;
    this.#counts.set(track, count);
    this.#last = c;
    this.#length = end;
    this.#endMs = Math.max(this.#endMs, timeMs + (isVideo ? LAST_PICTURE_MS : LAST_SOUND_MS));
  }
}

/** Void elements over a hole; one ends where the cluster does, so that each is inside of what it stands in. */
function coverOf({ from, to, clusterEnd: end }: Hole): FilePatch[] {
  if (end !== undefined && end >= from + SHORTEST_HOLE && end + SHORTEST_HOLE <= to)
    return [
      { at: from, bytes: voidHead(end - from) },
      { at: end, bytes: voidHead(to - end) },
    ];
  return [{ at: from, bytes: voidHead(to - from) }];
}

/** What a Void element of so many octets begins with; its content may be anything. */
function voidHead(total: number): Uint8Array {
  return total < 10 ? voidElement(total) : concat([idBytes(Id.Void), sizeBytes(total - 9, 8)]);
}

/** Where the search for a cluster may begin behind what was read last. */
export function searchStart(length: number): number {
  return length + SHORTEST_HOLE;
}

/** Index of the first cluster of ours in `bytes`, or -1; one that is cut off by their end is not found. */
export function findCluster(bytes: Uint8Array): number {
  const mark = idBytes(Id.Cluster);
  for (let i = indexOf(bytes, mark, 0); i >= 0; i = indexOf(bytes, mark, i + 1)) {
    const time = u8(bytes, i + 13);
    if (u8(bytes, i + 4) === 0x01 && u8(bytes, i + 12) === Id.Timestamp && time >= 0x81 && time <= 0x88)
      return i;
  }
  return -1;
}

/** Index of the first occurrence of `pattern` at or after `from`, or -1. */
function indexOf(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  const first = u8(pattern, 0);
  for (let i = bytes.indexOf(first, from); i >= 0; i = bytes.indexOf(first, i + 1)) {
    if (equalBytes(bytes.subarray(i, i + pattern.length), pattern)) return i;
  }
  return -1;
}
