import { OPUS_SILENCE_US } from "../../core/codecs/opus-packet.ts";
import type { Frame, MediaKind, TrackSource } from "../../core/frame.ts";
import { SilenceFiller } from "../../core/media/silence.ts";
import { type Micros, micros } from "../../core/time.ts";
import { type Gap, GapWatch } from "./gap-watch.ts";
import type { FileTrack } from "./journal.ts";
import { matroskaSilence, splitsFile } from "./matroska-codecs.ts";
import type { MediaFile } from "./media-file.ts";

/** The file is opened at once when every track has a frame, and without the others after this long. */
const HEADER_HOLD_US = 300_000;
/** A microphone that was silent for this long from the start is taken for one of Opus. */
const SILENT_START_US = 2_000_000;
/** Blocks of several tracks are sorted by time as far as this much patience allows. */
const INTERLEAVE_US = 300_000;
/** Silence is written behind real time by this much, so that late packets still find their place. */
const SILENCE_LAG_US = 1_000_000;

/** Half of the longest packet of sound. */
const MAX_EARLY_US = 60_000;

/** A track that a group was told of. */
export type GroupTrack = { readonly id: string; readonly kind: MediaKind; readonly source: TrackSource };

type Size = { readonly width: number; readonly height: number };

type Track = GroupTrack & {
  /** Its number in the file, from when that is open. */
  number: number | undefined;
  /** The file's header describes it. */
  declared: boolean;
  frames: number;
  /** The picture that came last, that was written last, and the largest so far. */
  seen: Size | undefined;
  size: Size | undefined;
  largest: Size | undefined;
  codec: FileTrack["codec"] | undefined;
  /** What the track began with: the header of the file describes it. Video only. */
  first: Frame | undefined;
  readonly gaps: GapWatch;
  filler: SilenceFiller | undefined;
  lastUs: number;
  /** Frames that the disk was too slow for. */
  dropped: { from: Micros; to: Micros } | undefined;
};

type Queued = { readonly track: Track; readonly frame: Frame };

/** What a group needs. */
export type GroupOptions = {
  /** The file begins here, whatever comes first; absent: with the first frame. */
  readonly from?: Micros;
  /** Fill holes in sound. */
  readonly silence: boolean;
  /** Opens the file once the first frames are known. */
  readonly open: (startUs: Micros, first: readonly Frame[]) => MediaFile;
  /** The picture size changed inside the file. */
  readonly onSize: (file: MediaFile, at: Micros, width: number, height: number) => void;
  /** Frames of a track are missing. */
  readonly onGap: (file: MediaFile, kind: MediaKind, gap: Gap) => void;
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
  /** Where the file begins. */
  #start = micros(0);
  #limit: Micros | undefined;
  #soundLimit: Micros | undefined;
  #resized = false;
  #videoGaps = false;

  constructor(o: GroupOptions) {
    this.#o = o;
  }

  /** The file being written; undefined before the first frames. */
  get file(): MediaFile | undefined {
    return this.#file;
  }

  /** Session time at which the file begins, or the first frame that waits; undefined: there is nothing yet. */
  get startUs(): Micros | undefined {
    return this.#file ? this.#start : (this.#o.from ?? this.#queue[0]?.frame.time);
  }

  /** Pictures of more than one size are in the file. */
  get resized(): boolean {
    return this.#resized;
  }

  /** Pictures are missing in the middle of the file. */
  get videoGaps(): boolean {
    return this.#videoGaps;
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
      number: this.#file && this.#tracks.size + 1,
      declared: false,
      frames: 0,
      seen: undefined,
      size: undefined,
      largest: undefined,
      codec: undefined,
      first: undefined,
      gaps: new GapWatch(t.kind),
      filler: undefined,
      lastUs: Number.NEGATIVE_INFINITY,
      dropped: undefined,
    });
  }

  /** Nothing at or after this time is recorded. */
  limit(at: Micros | undefined): void {
    this.#limit = at;
  }

  /** Takes out the sound at or after this time that is not written yet: it belongs into another file. */
  takeSound(at: Micros): { readonly id: string; readonly frame: Frame }[] {
    const later = (q: Queued) => q.track.kind === "audio" && q.frame.time + (q.frame.duration ?? 0) / 2 >= at;
    const taken = this.#queue.filter(later);
    this.#queue = this.#queue.filter((q) => !later(q));
    return taken.map(({ track, frame }) => ({ id: track.id, frame }));
  }

  /** The sound goes on in another file from here: no silence is written beyond. */
  limitSound(at: Micros): void {
    this.#soundLimit = at;
  }

  /**
   * True when the frame cannot go into this file: another codec than before, or a keyframe whose configuration
   * differs from what stands in the header.
   */
  mustSplit(trackId: string, frame: Frame): boolean {
    const track = this.#tracks.get(trackId);
    if (track?.codec !== undefined && track.codec !== frame.codec) return true;
    if (track?.first && frame.keyframe && splitsFile(track.first, frame)) return true;
    return track?.declared !== true && this.#file !== undefined && !this.#file.accepts(frame.codec, frame);
  }

  /** The picture of a track is now another than it was: of another size, or turned. */
  changes(trackId: string, frame: Frame): "size" | "rotation" | undefined {
    const track = this.#tracks.get(trackId);
    if (!track?.first) return undefined;
    if ((track.first.rotation ?? 0) !== (frame.rotation ?? 0)) return "rotation";
    const { seen } = track;
    const { width, height } = frame;
    if (!seen || width === undefined || height === undefined) return undefined;
    return width === seen.width && height === seen.height ? undefined : "size";
  }

  /** Pictures of the track are of no use before a keyframe. */
  awaitsKeyframe(trackId: string): boolean {
    const track = this.#tracks.get(trackId);
    return track?.kind === "video" && track.first === undefined;
  }

  /** One frame of a declared track. */
  frame(trackId: string, frame: Frame): void {
    const track = this.#tracks.get(trackId);
    if (!track) return;
    const half = (frame.duration ?? 0) / 2;
    if (this.#limit !== undefined && frame.time + half >= this.#limit) return;
    // A decoder can begin with nothing else.
    if (track.kind === "video" && !track.first && !frame.keyframe) return;
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.frame.time ?? 0) > frame.time) i--;
    this.#queue.splice(i, 0, { track, frame });
    track.codec ??= frame.codec;
    if (track.kind === "video") this.#look(track, frame);
    this.#advance(false);
  }

  /** Session time now: writes what waited long enough, and silence where audio is missing. */
  tick(now: Micros): void {
    this.#advance(false, now);
    const file = this.#file;
    if (!file) return;
    const limit = Math.min(
      this.#limit ?? Number.POSITIVE_INFINITY,
      this.#soundLimit ?? Number.POSITIVE_INFINITY,
    );
    const until = micros(Math.min(now - SILENCE_LAG_US, limit));
    for (const t of this.#tracks.values()) {
      if (t.kind === "audio" && !t.declared && now - this.#start >= SILENT_START_US && this.#o.silence)
        this.#declare(file, t, undefined, this.#start);
      this.#silence(file, t, t.filler?.upTo(until) ?? []);
    }
  }

  /**
   * Writes everything that waits and brings the sound up to `until`, or to the end of what is there. Afterwards
   * the file may be finished.
   */
  end(until?: Micros): void {
    this.#advance(true);
    const file = this.#file;
    if (!file) return;
    for (const t of this.#tracks.values()) {
      if (t.kind === "audio" && !t.declared && this.#o.silence)
        this.#declare(file, t, undefined, this.#start);
    }
    const end = until ?? this.#soundLimit ?? file.endUs;
    for (const t of this.#tracks.values()) {
      if (!t.declared) continue;
      this.#silence(file, t, t.filler?.upTo(end) ?? []);
      const gap = t.gaps.end(end);
      if (gap) this.#o.onGap(file, t.kind, gap);
      this.#endDropped(file, t);
    }
  }

  /** Tracks with what was written of them. */
  summary(): FileTrack[] {
    return [...this.#tracks.values()].flatMap((t) =>
      !t.declared || t.codec === undefined
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

  /** Notes what a picture looks like when it comes, not when it is written: what follows is judged by it. */
  #look(track: Track, frame: Frame): void {
    track.first ??= frame;
    if (frame.width !== undefined && frame.height !== undefined)
      track.seen = { width: frame.width, height: frame.height };
  }

  #advance(all: boolean, now?: Micros): void {
    const first = this.#queue[0];
    const last = this.#queue.at(-1);
    if (!first || !last) return;
    const newest = Math.max(last.frame.time, now ?? 0);
    if (!this.#file) {
      const complete = [...this.#tracks.values()].every((t) => this.#queue.some((q) => q.track === t));
      if (!all && !complete && newest - first.frame.time < HEADER_HOLD_US) return;
      this.#openFile(first.frame.time);
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
      if (t.declared && !this.#queue.some((q) => q.track === t && q.frame.time >= time)) return false;
    }
    return true;
  }

  #openFile(firstTime: Micros): void {
    const first = new Map<Track, Frame>();
    for (const q of this.#queue) if (!first.has(q.track)) first.set(q.track, q.frame);
    const { from } = this.#o;
    // Sound that is cut between two packets begins a little earlier than the picture.
    const early = from !== undefined && firstTime < from && from - firstTime < MAX_EARLY_US;
    this.#start = early ? firstTime : (from ?? firstTime);
    const file = this.#o.open(this.#start, [...first.values()]);
    this.#file = file;
    // Numbers in the order of importance, also of tracks that are still to come.
    const ordered = [...this.#tracks.values()].sort((a, b) => rank(a.kind) - rank(b.kind));
    ordered.forEach((track, i) => {
      track.number = i + 1;
    });
    for (const track of ordered) {
      const frame = first.get(track);
      if (frame) this.#declare(file, track, frame, this.#start);
    }
  }

  #declare(file: MediaFile, track: Track, frame: Frame | undefined, start: Micros): void {
    const { number } = track;
    track.codec ??= frame?.codec ?? "opus";
    if (track.codec === "aac" || number === undefined) return;
    track.declared = true;
    file.addTrack(number, track.codec, frame);
    track.gaps.start(start);
    if (track.kind !== "audio" || !this.#o.silence) return;
    track.filler = new SilenceFiller();
    track.filler.start(start);
  }

  #write(file: MediaFile, track: Track, frame: Frame): void {
    if (!track.declared) {
      // Players expect sound from the start of the file, if not of a microphone that came later.
      const early = track.kind === "audio" && frame.time - this.#start < SILENT_START_US;
      this.#declare(file, track, frame, early ? this.#start : frame.time);
    }
    if (track.number === undefined) return;
    if (frame.width !== undefined && frame.height !== undefined) this.#followSize(file, track, frame);
    if (track.filler) {
      const duration = frame.duration ?? OPUS_SILENCE_US;
      if (!track.filler.takes(frame.time, duration, frame.data.length)) {
        if (frame.lostBefore > 0) track.gaps.lost();
        return;
      }
      this.#silence(file, track, track.filler.before(frame.time, duration));
    }
    const gap = track.gaps.frame(frame);
    if (gap) {
      if (track.kind === "video") this.#videoGaps = true;
      this.#o.onGap(file, track.kind, gap);
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
  }

  #followSize(file: MediaFile, track: Track, f: Frame): void {
    const { width, height } = f;
    if (width === undefined || height === undefined) return;
    const { size, largest } = track;
    // The file's size is that of its largest picture.
    if (!largest || width * height > largest.width * largest.height) {
      track.largest = { width, height };
      if (track.number !== undefined) file.pictureSize(track.number, width, height);
    }
    if (size?.width === width && size.height === height) return;
    track.size = { width, height };
    if (!size) return;
    this.#resized = true;
    this.#o.onSize(file, f.time, width, height);
  }
}

function rank(kind: MediaKind): number {
  return kind === "video" ? 0 : 1;
}
