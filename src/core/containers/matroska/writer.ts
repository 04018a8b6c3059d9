import { concat } from "../../bytes.ts";
import {
  bigEndian,
  element,
  float,
  Id,
  idBytes,
  sizeBytes,
  text,
  UNKNOWN_SIZE,
  uint,
  voidElement,
} from "./ebml.ts";
import { type MatroskaTrack, trackEntry } from "./track.ts";

/** Bytes for one place in the file. */
export type FilePatch = { readonly at: number; readonly bytes: Uint8Array };

/** Room for SeekHead, Info and Tracks, so that they can be completed in place. */
const HEADER_SPACE = 4096;
/** What is left of it at least when a file starts: for another track, the place of the cues, the duration. */
const HEADER_SPARE = 1024;
/** A cluster ends after this long without a video keyframe; block times are 16 bits of milliseconds. */
const MAX_CLUSTER_MS = 5000;
const MAX_RELATIVE_MS = 32_767;
/** More cue points than this are thinned out by half. */
const MAX_CUES = 20_000;
/** Their numbers take one octet in every block. */
const MAX_TRACKS = 126;
const SIZE_FIELD = 8;

/** WebM is Matroska that keeps to a few codecs. */
export type DocType = "webm" | "matroska";

type Cue = { readonly timeMs: number; readonly track: number; readonly cluster: number };

/** Where an interrupted file stands, to go on finishing it. */
export type WriterState = {
  readonly tracks: readonly MatroskaTrack[];
  /** Octets that are whole. */
  readonly length: number;
  /** Where the header's room ends and the first cluster starts. */
  readonly headerEnd: number;
  readonly cues: readonly Cue[];
  readonly endMs: number;
  /** Start of the last cluster, when its size is still unknown. */
  readonly openCluster?: number;
};

/**
 * Writes Matroska or WebM (RFC 9559) as it comes: every piece can be played from when it is on disk. What is
 * only known later (tracks, sizes, duration, cues) goes into space left for it.
 */
export class MatroskaWriter {
  #docType: DocType;
  #tracks: readonly MatroskaTrack[];
  #length = 0;
  /** Octets from the start of the Segment's content to the first cluster; undefined before the header. */
  #headerSpace: number | undefined;
  #cluster: { start: number; timeMs: number; blocks: number } | undefined;
  #cues: Cue[] = [];
  /** There is a picture to seek to. */
  #pictured = false;
  #endMs = 0;

  constructor(docType: DocType, tracks: readonly MatroskaTrack[]) {
    this.#docType = docType;
    this.#tracks = tracks;
  }

  /** A writer that can only `finish` what another one began. */
  static resume(docType: DocType, s: WriterState): MatroskaWriter {
    const w = new MatroskaWriter(docType, s.tracks);
    w.#length = s.length;
    w.#headerSpace = s.headerEnd - w.segmentStart;
    for (const cue of s.cues) w.#addCue(cue);
    w.#endMs = s.endMs;
    if (s.openCluster !== undefined) w.#cluster = { start: s.openCluster, timeMs: 0, blocks: 1 };
    return w;
  }

  get tracks(): readonly MatroskaTrack[] {
    return this.#tracks;
  }

  get docType(): DocType {
    return this.#docType;
  }

  /** Octets written so far; appends go here. */
  get length(): number {
    return this.#length;
  }

  /** End of the last block, milliseconds. */
  get endMs(): number {
    return this.#endMs;
  }

  /** The beginning of the file. */
  header(): FilePatch {
    this.#headerSpace ??= this.#room();
    const bytes = this.#header();
    this.#length = bytes.length;
    return { at: 0, bytes };
  }

  /** These tracks can be described in the room that the header has. */
  fits(tracks: readonly MatroskaTrack[]): boolean {
    if (tracks.length > MAX_TRACKS) return false;
    // Two octets are the shortest Void.
    return this.#headerSpace === undefined || this.#content(tracks, 0, 0).length + 2 <= this.#headerSpace;
  }

  /** The header again, with other tracks, a larger picture or another document type. They must fit. */
  rewrite(tracks: readonly MatroskaTrack[], docType = this.#docType): FilePatch {
    this.#tracks = tracks;
    this.#docType = docType;
    return { at: 0, bytes: this.#header() };
  }

  /**
   * One frame, in the container's form (H.264 with length prefixes). `timeMs` and `durationMs` in whole
   * milliseconds; times of one track grow. Returns what to write: a new cluster where one is due, then the block.
   */
  block(track: number, timeMs: number, durationMs: number, keyframe: boolean, data: Uint8Array): FilePatch[] {
    const out: FilePatch[] = [];
    const isVideo = this.#tracks.find((t) => t.number === track)?.kind === "video";
    if (!this.#fits(timeMs, isVideo && keyframe)) {
      out.push(...this.#closeCluster());
      const start = this.#length;
      const head = concat([idBytes(Id.Cluster), UNKNOWN_SIZE, uint(Id.Timestamp, Math.max(0, timeMs))]);
      this.#cluster = { start, timeMs: Math.max(0, timeMs), blocks: 0 };
      out.push(this.#append(head));
      this.#pictured ||= isVideo && keyframe;
      if (isVideo ? keyframe : !this.#pictured)
        this.#addCue({ timeMs: this.#cluster.timeMs, track, cluster: start - this.segmentStart });
    }
    const cluster = this.#cluster;
    if (!cluster) return out;
    cluster.blocks++;
    this.#endMs = Math.max(this.#endMs, timeMs + durationMs);
    const relative = timeMs - cluster.timeMs;
    const head = Uint8Array.of(0x80 | track, (relative >> 8) & 0xff, relative & 0xff, keyframe ? 0x80 : 0);
    out.push(
      this.#append(concat([idBytes(Id.SimpleBlock), sizeBytes(head.length + data.length), head, data])),
    );
    return out;
  }

  /** The end: cues, sizes, duration, and the header that points to them. The file may then get its name. */
  finish(): FilePatch[] {
    const out = this.#closeCluster();
    const cuesAt = this.#length - this.segmentStart;
    const cues = this.#cuePoints();
    if (cues.length > 0) out.push(this.#append(element(Id.Cues, ...cues)));
    const size = this.#length - this.segmentStart;
    out.push({ at: this.segmentStart - SIZE_FIELD, bytes: sizeBytes(size, SIZE_FIELD) });
    if (this.fits(this.#tracks)) {
      const body = this.#body(cues.length > 0 ? cuesAt : undefined, this.#endMs);
      out.push({ at: this.segmentStart, bytes: body });
    }
    return out;
  }

  /** Offset of the Segment's content, where positions inside it count from. */
  get segmentStart(): number {
    return this.#ebml().length + idBytes(Id.Segment).length + SIZE_FIELD;
  }

  #fits(timeMs: number, videoKeyframe: boolean): boolean {
    const c = this.#cluster;
    if (!c) return false;
    const relative = timeMs - c.timeMs;
    if (Math.abs(relative) > MAX_RELATIVE_MS) return false;
    return !(videoKeyframe && c.blocks > 0) && relative < MAX_CLUSTER_MS;
  }

  #closeCluster(): FilePatch[] {
    const c = this.#cluster;
    this.#cluster = undefined;
    if (!c) return [];
    const sizeAt = c.start + idBytes(Id.Cluster).length;
    return [{ at: sizeAt, bytes: sizeBytes(this.#length - sizeAt - SIZE_FIELD, SIZE_FIELD) }];
  }

  /**
   * A player seeks by the cues of the picture alone. Those of sound before a track's first picture are its cues
   * as well: without them, everything before that picture could not be sought, the start of the file included.
   */
  #cuePoints(): Uint8Array[] {
    const waiting = new Set(this.#tracks.filter((t) => t.kind === "video").map((t) => t.number));
    return this.#cues.map((c) => {
      waiting.delete(c.track);
      const positions = [c.track, ...waiting].map((track) =>
        element(Id.CueTrackPositions, uint(Id.CueTrack, track), uint(Id.CueClusterPosition, c.cluster)),
      );
      return element(Id.CuePoint, uint(Id.CueTime, c.timeMs), ...positions);
    });
  }

  #addCue(cue: Cue): void {
    this.#cues.push(cue);
    if (this.#cues.length > MAX_CUES) this.#cues = this.#cues.filter((_, i) => i % 2 === 0);
  }

  #append(bytes: Uint8Array): FilePatch {
    const at = this.#length;
    this.#length += bytes.length;
    return { at, bytes };
  }

  #header(): Uint8Array {
    return concat([this.#ebml(), idBytes(Id.Segment), UNKNOWN_SIZE, this.#body()]);
  }

  #ebml(): Uint8Array {
    return element(
      Id.EBML,
      uint(Id.EBMLVersion, 1),
      uint(Id.EBMLReadVersion, 1),
      uint(Id.EBMLMaxIDLength, 4),
      uint(Id.EBMLMaxSizeLength, 8),
      // Padded with a Void (RFC 8794 section 11.3.2): both names take the same room, so that one can replace the other.
      text(Id.DocType, this.#docType),
      ...(this.#docType === "webm" ? [voidElement("matroska".length - "webm".length)] : []),
      uint(Id.DocTypeVersion, 4),
      uint(Id.DocTypeReadVersion, 2),
    );
  }

  /** SeekHead, Info, Tracks and Void: always the same length. */
  #body(cuesAt?: number, durationMs?: number): Uint8Array {
    const content = this.#content(this.#tracks, cuesAt, durationMs);
    return concat([content, voidElement(this.#room() - content.length)]);
  }

  #room(): number {
    return this.#headerSpace ?? Math.max(HEADER_SPACE, this.#content().length + HEADER_SPARE);
  }

  #content(tracks = this.#tracks, cuesAt?: number, durationMs?: number): Uint8Array {
    const info = element(
      Id.Info,
      uint(Id.TimestampScale, 1_000_000),
      text(Id.MuxingApp, "roomtap"),
      text(Id.WritingApp, "roomtap"),
      ...(durationMs === undefined ? [] : [float(Id.Duration, durationMs)]),
    );
    const entries = element(Id.Tracks, ...tracks.map(trackEntry));
    const seek = (id: number, position: number) =>
      element(Id.Seek, element(Id.SeekID, idBytes(id)), element(Id.SeekPosition, bigEndian(position, 8)));
    const seekHeadOf = (at: number) =>
      element(
        Id.SeekHead,
        seek(Id.Info, at),
        seek(Id.Tracks, at + info.length),
        ...(cuesAt === undefined ? [] : [seek(Id.Cues, cuesAt)]),
      );
    // Positions have a fixed width, so the length does not depend on them.
    return concat([seekHeadOf(seekHeadOf(0).length), info, entries]);
  }
}
