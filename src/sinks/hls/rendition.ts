import { aacCodecString, avcCodecString } from "../../core/codecs/codec-strings.ts";
import {
  type MediaPlaylist,
  mediaPlaylistText,
  type PlaylistPart,
  type PlaylistSegment,
  type RenditionReport,
  type SegmentStart,
  SKIP_BOUNDARY,
  skippedSegments,
} from "../../core/containers/hls/media-playlist.ts";
import type { Variant } from "../../core/containers/hls/multivariant-playlist.ts";
import type { ProgramFormat, ProgramSample, Rendition } from "../program/program.ts";
import { VIDEO_CLOCK } from "../program/program.ts";
import { Cutter, type Piece, sameFormat } from "./cutter.ts";
import { type Packer, packerFor } from "./packer.ts";
import type { HlsEdge, HlsFile } from "./source.ts";

/** How a rendition is cut and kept. Seconds, but for `zeroAt`. */
export type RenditionOptions = {
  readonly rendition: Rendition;
  readonly container: "fmp4" | "ts";
  readonly segment: number;
  readonly targetDuration: number;
  readonly part: number | undefined;
  /** Segments in the playlist; undefined: all that ever were. */
  readonly window: number | undefined;
  /** Old segments of an event are somewhere else too, where they can be read. */
  readonly archived: boolean;
  /** Unix milliseconds of the program's time 0. */
  readonly zeroAt: number;
  /** In the name of every file: another run's files never have the same name, and may stay in caches. */
  readonly run: string;
  /** A file is whole. `name`: in the rendition's directory. */
  readonly onFile: (name: string, file: HlsFile) => void;
  /** A segment is whole and in the playlist. */
  readonly onSegment: () => void;
  /** Something is new for whoever waits. */
  readonly onChange: () => void;
  /** Nobody asks for a file any more. */
  readonly onGone: (name: string) => void;
};

type Segment = PlaylistSegment & { readonly length: number };

type Open = SegmentStart & {
  readonly msn: number;
  readonly start: number;
  readonly parts: PlaylistPart[];
  readonly chunks: Uint8Array[];
};

/** Segments of this many target durations before the end still list their parts (rfc8216bis section 6.2.2). */
const PARTS_KEPT = 3;
/** Segments of an archived event in memory. */
const EVENT_KEPT = 20;
/** Octets of segments of an event that is in memory alone; what is older becomes a gap. */
const EVENT_OCTETS = 256 * 2 ** 20;
/** What a playlist says of how far players stay behind, in part targets. */
const HOLD_BACK = 3;
/** Sums of durations are compared so exactly, seconds. */
const ROUNDING = 1e-6;
/** Largest segments are above the average. */
const PEAK = 1.3;

/** One size of the picture as a live stream: cut, packed, listed, and kept as long as players may ask for it. */
export class HlsRendition {
  readonly #o: RenditionOptions;
  readonly #cutter: Cutter;
  readonly #files = new Map<string, HlsFile>();
  #packer: Packer | undefined;
  #format: ProgramFormat | undefined;
  #maps = 0;
  #map: string | undefined;
  #segments: Segment[] = [];
  /** Out of the playlist, but still there for those who know an older one. */
  #grace: Segment[] = [];
  #open: Open | undefined;
  #msn = 0;
  #mediaSequence = 0;
  #discontinuitySequence = 0;
  #ended = false;
  /** A segment began without a keyframe: independence is not claimed any more, lest playlists take it back twice. */
  #dependent = false;
  /** Seconds of the longest playlist there was. */
  #longest = 0;
  /** Index of the oldest segment of an event that is in memory, and the octets of those that are. */
  #oldest = 0;
  #kept = 0;
  #bytes = 0;
  /** Of whole segments. */
  #wholeBytes = 0;
  #seconds = 0;
  #peak = 0;

  constructor(o: RenditionOptions) {
    this.#o = o;
    const ticks = (s: number) => Math.round(s * VIDEO_CLOCK);
    this.#cutter = new Cutter({
      segment: ticks(o.segment),
      longestSegment: ticks(o.targetDuration + 0.49),
      part: o.part === undefined ? undefined : ticks(o.part),
    });
  }

  get name(): string {
    return this.#o.rendition.name;
  }

  /** Octets of media so far, and of segments that are whole. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Segments made so far. */
  get segments(): number {
    return this.#msn;
  }

  get edge(): HlsEdge | undefined {
    return this.#format ? { nextMsn: this.#msn, parts: this.#open?.parts.length ?? 0 } : undefined;
  }

  /** As the multivariant playlist lists it; undefined before its format is known. */
  get variant(): Variant | undefined {
    const f = this.#format;
    const codecs = f && [avcCodecString(f.video.config), aacCodecString(f.audio.config)];
    if (!f || this.#segments.length === 0 || !codecs?.every((c) => c !== undefined)) return undefined;
    const { bitrate, framesPerSecond } = this.#o.rendition;
    const average = this.#seconds > 0 ? (8 * this.#wholeBytes) / this.#seconds : bitrate;
    return {
      uri: `${this.name}/index.m3u8`,
      bandwidth: Math.max(PEAK * bitrate, this.#peak),
      averageBandwidth: average,
      width: f.video.width,
      height: f.video.height,
      framesPerSecond,
      codecs,
    };
  }

  /** Every segment until now begins with a keyframe. */
  get independent(): boolean {
    return !this.#dependent;
  }

  /** What the playlist lists, and whether it is in memory: all that a copy of the stream needs. */
  get listed(): ReadonlyMap<string, HlsFile | undefined> {
    const names = this.#segments.filter((s) => !s.gap).flatMap((s) => [s.map, s.uri]);
    return new Map(names.filter((n) => n !== undefined).map((n) => [n, this.#files.get(n)]));
  }

  /** A segment is nowhere any more: players are told. */
  lose(name: string): void {
    const at = this.#segments.findLastIndex((s) => s.uri === name);
    const lost = this.#segments[at];
    if (lost && !this.#files.has(name)) this.#segments[at] = { ...lost, gap: true, parts: [] };
  }

  format(f: ProgramFormat): void {
    this.#take(this.#cutter.format(f));
    this.#format = f;
  }

  sample(s: ProgramSample): void {
    this.#take(this.#cutter.sample(s));
  }

  interruption(): void {
    this.#take(this.#cutter.interruption());
  }

  /** What there is becomes the last segment. */
  end(): void {
    this.#take(this.#cutter.end());
    this.#ended = true;
    this.#open = undefined;
    this.#o.onSegment();
    this.#o.onChange();
  }

  /** The playlist as it is now; undefined: nothing is in it yet. */
  playlist(o: {
    readonly lowLatency: boolean;
    readonly skip?: boolean;
    readonly reports?: readonly RenditionReport[];
  }): string | undefined {
    if (this.#segments.length === 0 && (this.#open?.parts.length ?? 0) === 0) return undefined;
    const p = this.#playlist(o.lowLatency, o.reports ?? []);
    return mediaPlaylistText(p, o.skip ? skippedSegments(p) : 0);
  }

  /** What others say of this one in their playlists. */
  get report(): RenditionReport | undefined {
    const parts = this.#open?.parts.length ?? 0;
    const last = this.#segments.at(-1);
    const uri = `../${this.name}/index.m3u8`;
    if (parts > 0) return { uri, lastMsn: this.#msn, lastPart: parts - 1 };
    return last && { uri, lastMsn: this.#msn - 1, lastPart: last.parts.length - 1 };
  }

  file(name: string): HlsFile | undefined {
    return this.#files.get(name);
  }

  /** Name of the part that comes next. */
  get hint(): string | undefined {
    if (this.#o.part === undefined || this.#ended) return undefined;
    return this.#partName(this.#msn, this.#open?.parts.length ?? 0);
  }

  #playlist(lowLatency: boolean, reports: readonly RenditionReport[]): MediaPlaylist {
    const { targetDuration, part, window } = this.#o;
    const ll = lowLatency && part !== undefined;
    let behind = 0;
    const listed = this.#segments.toReversed().map((s) => {
      const near = behind < PARTS_KEPT * targetDuration;
      behind += s.duration;
      return ll && near ? s : { ...s, parts: [] };
    });
    return {
      ...{ targetDuration, mediaSequence: this.#mediaSequence, ended: this.#ended },
      discontinuitySequence: this.#discontinuitySequence,
      event: window === undefined,
      independentSegments: this.independent,
      segments: listed.reverse(),
      ...(ll
        ? {
            canSkipUntil: SKIP_BOUNDARY * targetDuration,
            lowLatency: {
              partTarget: part,
              partHoldBack: HOLD_BACK * part,
              open: this.#open,
              hint: this.hint,
              reports,
            },
          }
        : {}),
    };
  }

  #take(pieces: readonly Piece[]): void {
    for (const piece of pieces) this.#piece(piece);
  }

  #piece(p: Piece): void {
    if (p.startsSegment || !this.#open) this.#begin(p);
    if (p.startsSegment && !p.independent) this.#dependent = true;
    const open = this.#open;
    const packer = this.#packer;
    if (!open || !packer) return;
    const chunks = p.end > p.start ? packer.piece(p, p.startsSegment) : [];
    open.chunks.push(...chunks);
    const length = lengthOf(chunks);
    this.#bytes += length;
    if (this.#o.part !== undefined && p.end > p.start) {
      const name = this.#partName(open.msn, open.parts.length);
      this.#put(name, { type: packer.type, body: chunks, length });
      const duration = (p.end - p.start) / VIDEO_CLOCK;
      open.parts.push({ uri: name, duration, independent: p.independent });
    }
    if (p.endsSegment) this.#finish(open, p.end, packer);
    if (this.#o.part !== undefined) this.#o.onChange();
  }

  #begin(p: Piece): void {
    if (!this.#packer || p.discontinuity) this.#initialize(p.format);
    this.#open = {
      ...{ msn: this.#msn, start: p.start, parts: [], chunks: [] },
      programDateTime: this.#o.zeroAt + (p.start * 1000) / VIDEO_CLOCK,
      discontinuity: p.discontinuity && this.#msn > 0,
      map: this.#map,
    };
  }

  /** Another format begins, or the same one anew. */
  #initialize(f: ProgramFormat): void {
    const known = this.#packer?.format;
    const packer = packerFor(this.#o.container, f);
    this.#packer = packer;
    if (!packer?.header || (known && this.#map !== undefined && sameFormat(known, f))) return;
    this.#map = `init-${this.#o.run}-${this.#maps++}.mp4`;
    this.#put(this.#map, { type: "video/mp4", body: [packer.header], length: packer.header.length });
  }

  #finish(open: Open, end: number, packer: Packer): void {
    const { msn, chunks, parts, programDateTime, discontinuity, map } = open;
    const length = lengthOf(chunks);
    const duration = (end - open.start) / VIDEO_CLOCK;
    const uri = `${this.#segmentName(msn)}.${packer.extension}`;
    this.#segments.push({
      ...{ uri, duration, parts, programDateTime, discontinuity, map, length },
    });
    this.#put(uri, { type: packer.type, body: chunks, length });
    this.#seconds += duration;
    this.#wholeBytes += length;
    this.#kept += length;
    // A short one says little (RFC 8216 section 4.1).
    if (2 * duration >= this.#o.targetDuration) this.#peak = Math.max(this.#peak, (8 * length) / duration);
    this.#msn++;
    this.#open = undefined;
    this.#shorten();
    this.#o.onSegment();
    if (this.#o.part === undefined) this.#o.onChange();
  }

  /** Takes what is old out of the playlist, and forgets what nobody can know any more. */
  #shorten(): void {
    const { window } = this.#o;
    if (window === undefined) {
      this.#shortenEvent();
      return;
    }
    const least = 3 * this.#o.targetDuration;
    // RFC 8216 section 6.2.2: a live playlist lasts three target durations.
    while (this.#segments.length > window && secondsOf(this.#segments.slice(1)) >= least) {
      const [first] = this.#segments.splice(0, 1);
      if (!first) return;
      this.#mediaSequence++;
      if (first.discontinuity) this.#discontinuitySequence++;
      this.#grace.push(first);
    }
    this.#longest = Math.max(this.#longest, secondsOf(this.#segments));
    // The same: there for as long as the longest playlist that listed it.
    while ((this.#grace[0]?.duration ?? 0) + this.#longest <= secondsOf(this.#grace.slice(1)) + ROUNDING) {
      const [gone] = this.#grace.splice(0, 1);
      if (!gone) return;
      for (const name of [gone.uri, ...gone.parts.map((p) => p.uri)]) this.#remove(name);
      const { map } = gone;
      const used = [...this.#grace, ...this.#segments].some((s) => s.map === map);
      if (map !== undefined && !used && map !== this.#map) this.#remove(map);
    }
  }

  /** The playlist keeps everything; memory does not. */
  #shortenEvent(): void {
    const { archived } = this.#o;
    for (;;) {
      const kept = this.#segments.length - this.#oldest;
      const old = this.#segments[this.#oldest];
      if (!old || !(archived ? kept > EVENT_KEPT : this.#kept > EVENT_OCTETS)) return;
      for (const name of [old.uri, ...old.parts.map((part) => part.uri)]) this.#files.delete(name);
      // Nobody is offered its parts any more.
      this.#segments[this.#oldest++] = { ...old, parts: [], gap: old.gap === true || !archived };
      this.#kept -= old.length;
    }
  }

  #segmentName(msn: number): string {
    return `seg-${this.#o.run}-${String(msn).padStart(6, "0")}`;
  }

  #partName(msn: number, part: number): string {
    return `${this.#segmentName(msn)}.part-${part}.m4s`;
  }

  #put(name: string, file: HlsFile): void {
    this.#files.set(name, file);
    this.#o.onFile(name, file);
  }

  #remove(name: string): void {
    this.#files.delete(name);
    this.#o.onGone(name);
  }
}

function secondsOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, s) => sum + s.duration, 0);
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((n, c) => n + c.length, 0);
}
