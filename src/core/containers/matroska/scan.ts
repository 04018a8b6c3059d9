import { MatroskaReader } from "./reader.ts";
import type { MatroskaTrack } from "./track.ts";
import { MatroskaWriter, type WriterState } from "./writer.ts";

/** Frames of one track, counted. */
export type TrackCount = { frames: number; lastMs: number };

/** What a file of ours holds, as far as it is whole. */
export type MatroskaScan = WriterState & {
  readonly docType: "webm" | "matroska";
  /** By track number. */
  readonly counts: ReadonlyMap<number, TrackCount>;
};

/** Milliseconds added for the last frame of a file, whose duration nothing tells. */
const LAST_FRAME_MS = 33;

/**
 * Reads what an interrupted recording of ours left: push the file's octets in order, then `result` says where
 * the last whole block ends and all that is needed to finish the file there.
 */
export class MatroskaScanner {
  readonly #reader = new MatroskaReader();
  readonly #counts = new Map<number, TrackCount>();
  readonly #cues: { timeMs: number; track: number; cluster: number }[] = [];
  /** There is a picture to seek to. */
  #pictured = false;
  #docType = "";
  #tracks: readonly MatroskaTrack[] = [];
  #cluster: { at: number; timeMs: number; end: number | undefined; blocks: number } | undefined;
  #length = 0;
  /** Start of the first cluster. */
  #headerEnd = 0;
  #endMs = 0;

  /** The next octets of the file. */
  push(bytes: Uint8Array): void {
    for (const e of this.#reader.push(bytes)) {
      if (e.t === "header") this.#docType = e.docType;
      else if (e.t === "tracks") this.#tracks = e.tracks;
      else if (e.t === "cluster") {
        this.#headerEnd ||= e.at;
        this.#cluster = { at: e.at, timeMs: e.timeMs, end: e.end, blocks: 0 };
      } else this.#block(e.track, e.timeMs, e.keyframe, e.end);
    }
  }

  /** The file is one of ours: without a `result` there is no frame in it. */
  get known(): boolean {
    return this.#tracks.length > 0;
  }

  /** undefined: nothing in the file can be played. */
  result(): MatroskaScan | undefined {
    if (this.#length === 0 || this.#tracks.length === 0) return undefined;
    const open = this.#cluster;
    const docType = this.#docType === "webm" ? "webm" : "matroska";
    const { segmentStart } = new MatroskaWriter(docType, []);
    return {
      docType,
      tracks: this.#tracks,
      length: this.#length,
      headerEnd: this.#headerEnd,
      endMs: this.#endMs + LAST_FRAME_MS,
      cues: this.#cues.map((c) => ({ ...c, cluster: c.cluster - segmentStart })),
      counts: this.#counts,
      ...(open && open.blocks > 0 && open.end !== this.#length ? { openCluster: open.at } : {}),
    };
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
    this.#length = end;
    this.#endMs = Math.max(this.#endMs, timeMs);
  }
}
