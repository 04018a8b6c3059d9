import { OPUS_SILENCE_US } from "../../core/codecs/opus-packet.ts";
import type { Frame, MediaKind, TrackSource } from "../../core/frame.ts";
import { SilenceFiller } from "../../core/media/silence.ts";
import { type Micros, micros } from "../../core/time.ts";
import type { FileTrack } from "./journal.ts";
import { matroskaSilence, splitsFile } from "./matroska-codecs.ts";
import type { MediaFile } from "./media-file.ts";

/** The header waits this long for the first frame of every track, so that it can name them all. */
const HEADER_HOLD_US = 2_000_000;
/** Blocks of several tracks are sorted by time as far as this much patience allows. */
const INTERLEAVE_US = 300_000;
/** Silence is written behind real time by this much, so that late packets still find their place. */
const SILENCE_LAG_US = 1_000_000;

/** A track that a group was told of. */
export type GroupTrack = { readonly id: string; readonly kind: MediaKind; readonly source: TrackSource };

type Size = { readonly width: number; readonly height: number };

type Track = GroupTrack & {
  number: number | undefined;
  frames: number;
  /** The picture now, and the largest so far. */
  size: Size | undefined;
  largest: Size | undefined;
  codec: FileTrack["codec"] | undefined;
  /** What the track began with: the header of the file describes it. Video only. */
  first: Frame | undefined;
  filler: SilenceFiller | undefined;
  lastUs: number;
  /** Silence that is being written. */
  gap: { from: Micros; to: Micros } | undefined;
  /** Frames that the disk was too slow for. */
  dropped: { from: Micros; to: Micros } | undefined;
};

/** Silence shorter than this is not worth a line in the journal. */
const NOTABLE_SILENCE_US = 100_000;

type Queued = { readonly track: Track; readonly frame: Frame };

/** What a group needs. */
export type GroupOptions = {
  /** Opens the file once the first frames are known. */
  readonly open: (startUs: Micros, first: readonly Frame[]) => MediaFile;
  /** The picture size changed inside the file. */
  readonly onSize: (file: MediaFile, at: Micros, width: number, height: number) => void;
  /** Audio was missing and replaced by silence. */
  readonly onSilence: (file: MediaFile, from: Micros, to: Micros) => void;
  /** Frames are missing because the disk was too slow. */
  readonly onDropped: (file: MediaFile, kind: MediaKind, from: Micros, to: Micros) => void;
};

/**
 * The tracks that share one file: a participant's camera and microphone, or a screen. Frames in, blocks in
 * time order out; holes in audio filled with silence.
 */
export class RecordingGroup {
  readonly #o: GroupOptions;
  readonly #tracks = new Map<string, Track>();
  /** Frames waiting for the header or for their turn, in time order. */
  #queue: Queued[] = [];
  #file: MediaFile | undefined;
  #limit: Micros | undefined;
  #resized = false;

  constructor(o: GroupOptions) {
    this.#o = o;
  }

  /** The file being written; undefined before the first frames. */
  get file(): MediaFile | undefined {
    return this.#file;
  }

  /** Pictures of more than one size are in the file. */
  get resized(): boolean {
    return this.#resized;
  }

  /** True when nothing was ever written or waits. */
  get empty(): boolean {
    return this.#file === undefined && this.#queue.length === 0;
  }

  /** Declares a track. The same id again continues it. */
  addTrack(t: GroupTrack): void {
    if (this.#tracks.has(t.id)) return;
    this.#tracks.set(t.id, {
      ...t,
      number: undefined,
      frames: 0,
      size: undefined,
      largest: undefined,
      codec: undefined,
      first: undefined,
      filler: undefined,
      lastUs: Number.NEGATIVE_INFINITY,
      gap: undefined,
      dropped: undefined,
    });
  }

  /** Nothing at or after this time is recorded. */
  limit(at: Micros | undefined): void {
    this.#limit = at;
  }

  /**
   * True when the frame cannot go into this file: another codec than before, one its container lacks, or a keyframe
   * whose configuration differs from what stands in the header.
   */
  mustSplit(trackId: string, frame: Frame): boolean {
    const track = this.#tracks.get(trackId);
    if (track?.codec !== undefined && track.codec !== frame.codec) return true;
    if (track?.first && frame.keyframe && splitsFile(track.first, frame)) return true;
    return track?.number === undefined && this.#file !== undefined && !this.#file.accepts(frame.codec, frame);
  }

  /** One frame of a declared track. */
  frame(trackId: string, frame: Frame): void {
    const track = this.#tracks.get(trackId);
    if (!track) return;
    const half = (frame.duration ?? 0) / 2;
    if (this.#limit !== undefined && frame.time + half >= this.#limit) return;
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.frame.time ?? 0) > frame.time) i--;
    this.#queue.splice(i, 0, { track, frame });
    track.codec ??= frame.codec;
    if (track.kind === "video") track.first ??= frame;
    this.#advance(false);
  }

  /** Session time now: writes what waited long enough, and silence where audio is missing. */
  tick(now: Micros): void {
    this.#advance(false, now);
    if (!this.#file) return;
    const until = micros(Math.min(now - SILENCE_LAG_US, this.#limit ?? Number.POSITIVE_INFINITY));
    for (const t of this.#tracks.values()) this.#silence(this.#file, t, t.filler?.upTo(until) ?? []);
  }

  /**
   * Writes everything that waits and brings the audio up to the end of the video, or to the limit when `full`.
   * Afterwards the file may be finished.
   */
  end(full: boolean): void {
    this.#advance(true);
    const file = this.#file;
    if (!file) return;
    let end = file.endUs;
    if (full && this.#limit !== undefined) end = this.#limit;
    for (const t of this.#tracks.values()) {
      this.#silence(file, t, t.filler?.upTo(end) ?? []);
      this.#endGap(file, t);
      this.#endDropped(file, t);
    }
  }

  /** Tracks with what was written of them. */
  summary(): FileTrack[] {
    return [...this.#tracks.values()].flatMap((t) =>
      t.number === undefined || t.codec === undefined
        ? []
        : [
            {
              kind: t.kind,
              codec: t.codec,
              frames: t.frames,
              ...t.largest,
            },
          ],
    );
  }

  #advance(all: boolean, now?: Micros): void {
    const first = this.#queue[0];
    const last = this.#queue.at(-1);
    if (!first || !last) return;
    const newest = Math.max(last.frame.time, now ?? 0);
    if (!this.#file) {
      const complete = [...this.#tracks.values()].every((t) => this.#queue.some((q) => q.track === t));
      if (!all && !complete && newest - first.frame.time < HEADER_HOLD_US) return;
      this.#openFile();
    }
    const file = this.#file;
    if (!file) return;
    while (this.#queue.length > 0) {
      const head = this.#queue[0];
      if (!head || (!all && !this.#ripe(head.frame.time, newest))) break;
      this.#queue.shift();
      this.#write(file, head.track, head.frame);
    }
  }

  /** Every other live track has something later, or it was waited long enough. */
  #ripe(time: Micros, newest: number): boolean {
    if (newest - time >= INTERLEAVE_US) return true;
    for (const t of this.#tracks.values()) {
      if (t.number !== undefined && !this.#queue.some((q) => q.track === t && q.frame.time >= time))
        return false;
    }
    return true;
  }

  #openFile(): void {
    const first = new Map<Track, Frame>();
    // A video track starts with a keyframe: the assembler lets nothing else pass first.
    for (const q of this.#queue) if (!first.has(q.track)) first.set(q.track, q.frame);
    const start = this.#queue[0]?.frame.time;
    if (start === undefined) return;
    const file = this.#o.open(start, [...first.values()]);
    this.#file = file;
    // Players and tools take the first track for the main one.
    const ordered = [...this.#tracks.values()].sort((a, b) => rank(a.kind) - rank(b.kind));
    for (const track of ordered) {
      const frame = first.get(track);
      // A microphone that is declared but silent so far is filled from the start: players expect the track.
      if (frame || track.kind === "audio") this.#declare(file, track, frame, start);
    }
  }

  #declare(file: MediaFile, track: Track, frame: Frame | undefined, start: Micros): void {
    track.codec ??= frame?.codec ?? "opus";
    if (track.codec === "aac") return;
    track.number = file.addTrack(track.codec, frame);
    if (track.kind !== "audio") return;
    track.filler = new SilenceFiller();
    track.filler.start(start);
  }

  #write(file: MediaFile, track: Track, frame: Frame): void {
    if (track.number === undefined) this.#declare(file, track, frame, frame.time);
    if (track.number === undefined) return;
    if (frame.width !== undefined && frame.height !== undefined) this.#followSize(file, track, frame);
    if (track.filler) {
      const end = track.filler.end;
      const duration = frame.duration ?? OPUS_SILENCE_US;
      // Silence already stands where this packet came too late.
      if (end !== undefined && frame.time + duration / 2 < end) return;
      this.#silence(file, track, track.filler.before(frame.time, duration));
      this.#endGap(file, track);
    }
    const time = Math.max(frame.time, track.lastUs + 1000);
    track.lastUs = time;
    if (file.block(track.number, micros(time), frame)) {
      track.frames++;
      this.#endDropped(file, track);
    } else {
      track.dropped ??= { from: frame.time, to: frame.time };
      track.dropped.to = micros(frame.time + (frame.duration ?? 0));
    }
  }

  #endDropped(file: MediaFile, track: Track): void {
    const { dropped } = track;
    track.dropped = undefined;
    if (dropped) this.#o.onDropped(file, track.kind, dropped.from, dropped.to);
  }

  #silence(file: MediaFile, track: Track, times: readonly Micros[]): void {
    if (track.number === undefined || times.length === 0) return;
    const packet = track.codec && track.codec !== "aac" ? matroskaSilence(track.codec) : undefined;
    if (!packet) return;
    for (const t of times) {
      const time = micros(Math.max(t, track.lastUs + 1000));
      track.lastUs = time;
      track.frames++;
      file.silence(track.number, time, packet);
    }
    const from = times[0] ?? micros(0);
    track.gap ??= { from, to: from };
    track.gap.to = micros((times.at(-1) ?? from) + OPUS_SILENCE_US);
  }

  #endGap(file: MediaFile, track: Track): void {
    const gap = track.gap;
    track.gap = undefined;
    if (gap && gap.to - gap.from >= NOTABLE_SILENCE_US) this.#o.onSilence(file, gap.from, gap.to);
  }

  #followSize(file: MediaFile, track: Track, f: Frame): void {
    const { width, height } = f;
    if (width === undefined || height === undefined) return;
    const { size, largest } = track;
    if (size?.width === width && size.height === height) return;
    track.size = { width, height };
    // The file's size is that of its largest picture.
    if (!largest || width * height > largest.width * largest.height) {
      track.largest = track.size;
      if (track.number !== undefined) file.pictureSize(track.number, width, height);
    }
    if (!size) return;
    this.#resized = true;
    this.#o.onSize(file, f.time, width, height);
  }
}

function rank(kind: MediaKind): number {
  return kind === "video" ? 0 : 1;
}
