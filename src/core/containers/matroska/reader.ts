import { ascii, u8, u16 } from "../../bytes.ts";
import { Id } from "./ebml.ts";
import { type MatroskaTrack, rotationOf } from "./track.ts";

/** What a file is made of, in order. Offsets are octets from the start of the file. */
export type MatroskaEvent =
  | { readonly t: "header"; readonly docType: string }
  | { readonly t: "tracks"; readonly tracks: readonly MatroskaTrack[] }
  /** `end`: where it says it ends; undefined: it ends where something else begins. */
  | { readonly t: "cluster"; readonly at: number; readonly timeMs: number; readonly end: number | undefined }
  | {
      readonly t: "block";
      readonly track: number;
      /** Milliseconds, or parts of them where the file's scale is finer. */
      readonly timeMs: number;
      readonly keyframe: boolean;
      /** Where the frame's octets are. */
      readonly offset: number;
      readonly size: number;
      /** End of the element that holds the block. */
      readonly end: number;
    };

/** Headers longer than this are not read. */
const MAX_HEADER = 1 << 20;
/** More tracks than this are not looked at: their numbers would not fit. */
const MAX_TRACKS = 126;
/** Bytes needed to see an element's id, size, and a block's own header. */
const LOOKAHEAD = 32;

/** Elements that end an unsized cluster (RFC 9559 section 5.1: they are children of the Segment). */
const topLevel: ReadonlySet<number> = new Set([Id.Cluster, Id.Cues, Id.SeekHead, Id.Info, Id.Tracks]);

/**
 * Reads Matroska piece by piece: push bytes, get events. Nothing is allocated by a size that the file
 * claims; frames are reported by their place and not kept. A malformed or torn rest ends the reading.
 */
export class MatroskaReader {
  #buffer = new Uint8Array(0);
  /** File offset of the buffer's first octet. */
  #at = 0;
  /** Octets of the file still to be skipped before the buffer continues. */
  #skip = 0;
  #failed = false;
  #scaleMs = 1;
  #clusterMs = 0;
  #cluster: { at: number; end: number | undefined } | undefined;
  /** A block whose last octets have not come yet: it counts when it is whole. */
  #pending: MatroskaEvent | undefined;
  /** `refers`: to another block. It may be said before the block or behind it. */
  #group:
    | { end: number; refers: boolean; block: Extract<MatroskaEvent, { t: "block" }> | undefined }
    | undefined;
  readonly #events: MatroskaEvent[] = [];

  /** The file is not Matroska, or broken from here on. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Adds the next octets of the file and returns what they complete. */
  push(bytes: Uint8Array): MatroskaEvent[] {
    this.#fill(bytes);
    if (this.#skip > 0) return [];
    while (!this.#failed && this.#step());
    return this.#events.splice(0);
  }

  /** The file ends here: what the last group of blocks still held. */
  end(): MatroskaEvent[] {
    if (this.#group && this.#skip === 0 && this.#at >= this.#group.end) this.#endGroup();
    return this.#events.splice(0);
  }

  #fill(bytes: Uint8Array): void {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    this.#at += skipped;
    if (skipped > 0 && this.#skip === 0) this.#settle();
    const rest = bytes.subarray(skipped);
    if (rest.length === 0) return;
    const joined = new Uint8Array(this.#buffer.length + rest.length);
    joined.set(this.#buffer);
    joined.set(rest, this.#buffer.length);
    this.#buffer = joined;
  }

  /** One element; false: more octets are needed, or nothing more can be read. */
  #step(): boolean {
    const b = this.#buffer;
    const head = readElementHead(b);
    if (!head) {
      if (b.length >= LOOKAHEAD) this.#failed = true;
      return false;
    }
    const { id, size, length } = head;
    const end = size === undefined ? undefined : this.#at + length + size;
    if (this.#group && this.#at >= this.#group.end) this.#endGroup();
    if (id === Id.Segment || id === Id.Cluster || id === Id.BlockGroup) return this.#enter(id, length, end);
    if (end === undefined || size === undefined) return this.#fail();
    if (topLevel.has(id)) this.#cluster = undefined;
    switch (id) {
      case Id.EBML:
      case Id.Info:
      case Id.Tracks:
      case Id.Timestamp: {
        if (size > MAX_HEADER) return this.#fail();
        if (b.length < length + size) return false;
        this.#small(id, b.subarray(length, length + size));
        return this.#consume(length + size);
      }
      case Id.SimpleBlock:
      case Id.Block: {
        if (b.length < length + Math.min(size, 4)) return false;
        this.#block(id, b, length, size, end);
        return this.#consume(length + size);
      }
      case Id.ReferenceBlock:
        if (this.#group) this.#group.refers = true;
        return this.#consume(length + size);
      default:
        return this.#consume(length + size);
    }
  }

  #enter(id: number, length: number, end: number | undefined): boolean {
    if (id === Id.Cluster) this.#cluster = { at: this.#at, end };
    if (id === Id.BlockGroup) {
      if (end === undefined) return this.#fail();
      this.#group = { end, refers: false, block: undefined };
    }
    return this.#consume(length);
  }

  /** A block inside a group waits for the group's end: only then is known whether it refers to another. */
  #endGroup(): void {
    const group = this.#group;
    this.#group = undefined;
    if (group?.block) this.#events.push({ ...group.block, keyframe: !group.refers });
  }

  #small(id: number, b: Uint8Array): void {
    if (id === Id.Timestamp && this.#cluster) {
      this.#clusterMs = unsigned(b) * this.#scaleMs;
      this.#events.push({
        t: "cluster",
        at: this.#cluster.at,
        timeMs: this.#clusterMs,
        end: this.#cluster.end,
      });
    } else if (id === Id.EBML) {
      const docType = elementChildren(b).find((c) => c.id === Id.DocType);
      this.#events.push({ t: "header", docType: docType ? ascii(docType.data).replace(/\0+$/, "") : "" });
    } else if (id === Id.Info) {
      const scale = elementChildren(b).find((c) => c.id === Id.TimestampScale);
      if (scale) this.#scaleMs = unsigned(scale.data) / 1e6 || 1;
    } else if (id === Id.Tracks) {
      const entries = elementChildren(b)
        .filter((c) => c.id === Id.TrackEntry)
        .slice(0, MAX_TRACKS);
      this.#events.push({ t: "tracks", tracks: entries.flatMap((e) => readTrack(e.data) ?? []) });
    }
  }

  #block(id: number, b: Uint8Array, length: number, size: number, end: number): void {
    const first = u8(b, length);
    // Track numbers above 126 are never written by those we read, and lacing is not used for video or Opus.
    if (size < 4 || (first & 0x80) === 0 || (u8(b, length + 3) & 0x06) !== 0) return;
    const relative = (u16(b, length + 1) << 16) >> 16;
    const event: MatroskaEvent = {
      t: "block",
      track: first & 0x7f,
      timeMs: this.#clusterMs + relative * this.#scaleMs,
      keyframe: id === Id.Block || (u8(b, length + 3) & 0x80) !== 0,
      offset: this.#at + length + 4,
      size: size - 4,
      end,
    };
    if (id === Id.Block && this.#group) this.#group.block = event;
    else if (id === Id.SimpleBlock) this.#pending = event;
  }

  #consume(n: number): boolean {
    const have = Math.min(n, this.#buffer.length);
    this.#buffer = this.#buffer.subarray(have);
    this.#at += have;
    this.#skip = n - have;
    if (this.#skip > 0) return false;
    this.#settle();
    return true;
  }

  #settle(): void {
    if (this.#pending) this.#events.push(this.#pending);
    this.#pending = undefined;
  }

  #fail(): false {
    this.#failed = true;
    return false;
  }
}

/** An element's id, the octets it says it holds (undefined: unknown), and the octets of both before them. */
export type ElementHead = { readonly id: number; readonly size: number | undefined; readonly length: number };

/** Id and size at the start of `b`; undefined: too short, or malformed. */
export function readElementHead(b: Uint8Array): ElementHead | undefined {
  const first = u8(b, 0);
  const idLength = Math.clz32(first) - 23;
  if (first === 0 || idLength > 4 || b.length < idLength + 1) return undefined;
  let id = 0;
  for (let i = 0; i < idLength; i++) id = id * 256 + u8(b, i);
  const sizeFirst = u8(b, idLength);
  const sizeLength = Math.clz32(sizeFirst) - 23;
  if (sizeFirst === 0 || b.length < idLength + sizeLength) return undefined;
  let size = sizeFirst & (0xff >> sizeLength);
  let unknown = size === 0xff >> sizeLength;
  for (let i = 1; i < sizeLength; i++) {
    const v = u8(b, idLength + i);
    unknown = unknown && v === 0xff;
    size = size * 256 + v;
  }
  if (!unknown && size > Number.MAX_SAFE_INTEGER) return undefined;
  return { id, size: unknown ? undefined : size, length: idLength + sizeLength };
}

/** An element inside another. */
export type ElementChild = { readonly id: number; readonly data: Uint8Array };

/** Children of an element that is in memory as a whole; a torn rest is left out. */
export function elementChildren(b: Uint8Array): ElementChild[] {
  const out: ElementChild[] = [];
  let at = 0;
  while (at < b.length) {
    const head = readElementHead(b.subarray(at));
    if (!head || head.size === undefined || at + head.length + head.size > b.length) break;
    out.push({ id: head.id, data: b.subarray(at + head.length, at + head.length + head.size) });
    at += head.length + head.size;
  }
  return out;
}

/** The value of an unsigned-integer element (RFC 8794 section 7.2). */
export function unsigned(b: Uint8Array): number {
  let v = 0;
  for (const octet of b.subarray(0, 8)) v = v * 256 + octet;
  return v;
}

/** The value of a float element (RFC 8794 section 7.3). */
export function floating(b: Uint8Array): number {
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  if (b.length === 4) return view.getFloat32(0);
  return b.length === 8 ? view.getFloat64(0) : 0;
}

/** A track entry; undefined when it is neither audio nor video, or numbered beyond one octet. */
function readTrack(entry: Uint8Array): MatroskaTrack | undefined {
  const fields = elementChildren(entry);
  const data = (list: readonly ElementChild[], id: number) => list.find((c) => c.id === id)?.data;
  const number = unsigned(data(fields, Id.TrackNumber) ?? new Uint8Array(0));
  const type = unsigned(data(fields, Id.TrackType) ?? new Uint8Array(0));
  if (number < 1 || number > 126 || (type !== 1 && type !== 2)) return undefined;
  const codecPrivate = data(fields, Id.CodecPrivate)?.slice();
  const common = {
    number,
    codecId: ascii(data(fields, Id.CodecID) ?? new Uint8Array(0)),
    ...(codecPrivate ? { codecPrivate } : {}),
  };
  const value = (list: readonly ElementChild[], id: number) => unsigned(data(list, id) ?? new Uint8Array(0));
  if (type === 1) {
    const video = elementChildren(data(fields, Id.Video) ?? new Uint8Array(0));
    const roll = data(
      elementChildren(data(video, Id.Projection) ?? new Uint8Array(0)),
      Id.ProjectionPoseRoll,
    );
    const rotation = roll && rotationOf(floating(roll));
    return {
      ...common,
      kind: "video",
      width: value(video, Id.PixelWidth),
      height: value(video, Id.PixelHeight),
      defaultDurationNs: value(fields, Id.DefaultDuration),
      ...(rotation === undefined ? {} : { rotation }),
    };
  }
  const audio = elementChildren(data(fields, Id.Audio) ?? new Uint8Array(0));
  const rate = data(audio, Id.SamplingFrequency);
  return {
    ...common,
    kind: "audio",
    sampleRate: rate ? floating(rate) : 8000,
    channels: value(audio, Id.Channels) || 1,
    seekPreRollNs: value(fields, Id.SeekPreRoll),
  };
}
