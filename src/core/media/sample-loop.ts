import { earliest } from "../machine.ts";
import { type Millis, millis } from "../time.ts";
import { type SampleIndex, SampleRow } from "./sample-index.ts";
import type { DueSample, SampleSource } from "./sample-source.ts";

/** A requested keyframe may wait this long for a cut that keeps sound and picture exactly together. */
const CUT_SEARCH_US = 80_000;
/** A cut whose sound lands this close to its place is exact: container times are rounded. */
const EXACT_US = 1000;
/** Milliseconds are fractions: a sample this close ahead is due, or its deadline could round to never. */
const ROUNDING_US = 1;
const DEFAULT_MAX_LATE_MS = 500;

/** What a loop starts with. */
export type SampleLoopOptions = {
  /** When media time 0 is due. */
  readonly start: Millis;
  /** Lateness from which on missed samples are dropped instead of sent late, in milliseconds. */
  readonly maxLateMs?: number;
};

/** A cut in the content: where video sample `from` would be next, `to` takes its place in media time. */
type Cut = { readonly from: number; readonly to: number };

/**
 * The clock of a synthetic participant that plays a pre-encoded clip in a loop. Sample times are computed from
 * the start, so nothing drifts.
 *
 * Pre-encoded video answers a keyframe request by skipping to its next keyframe. The sound skips by the same
 * amount of content, to the nearest audio frame, so sound and picture stay together (within half an audio frame;
 * exactly where a frame within `CUT_SEARCH_US` allows it), and neither track has a gap in media time. Errors
 * do not add up: the sound is placed by the video's shift every time.
 */
export class SampleLoop implements SampleSource {
  readonly #start: Millis;
  readonly #maxLateUs: number;
  readonly #video: SampleRow | undefined;
  readonly #audio: SampleRow | undefined;
  #cut: Cut | undefined;
  #videoResumed = true;
  #audioResumed = true;
  #stalls = 0;

  /** Errors: media-invalid when the index is inconsistent. */
  constructor(index: SampleIndex, o: SampleLoopOptions) {
    this.#start = o.start;
    this.#maxLateUs = (o.maxLateMs ?? DEFAULT_MAX_LATE_MS) * 1000;
    this.#video = index.video && new SampleRow("video", index.video, index.durationUs);
    this.#audio = index.audio && new SampleRow("audio", index.audio, index.durationUs);
  }

  /** Times that missed content was dropped because the caller came too late. */
  get stalls(): number {
    return this.#stalls;
  }

  /** Next sample that is due at `now`, in order of media time; undefined when all are ahead. */
  poll(now: Millis): DueSample | undefined {
    const position = (now - this.#start) * 1000;
    const row = this.#earliest();
    if (!row || row.media(row.next) > position + ROUNDING_US) return undefined;
    if (position - row.media(row.next) > this.#maxLateUs) {
      this.#skipTo(position);
      return this.poll(now);
    }
    if (row === this.#video && row.next === this.#cut?.from) this.#apply(this.#cut, row);
    return this.#take(row);
  }

  /** When the next sample is due; undefined: the clip has no tracks. */
  get deadline(): Millis | undefined {
    return earliest(this.#dueAt(this.#video), this.#dueAt(this.#audio));
  }

  /** Makes the video reach a keyframe as soon as it can. No effect when one is near, under way, or without video. */
  requestKeyframe(): void {
    const video = this.#video;
    if (!video || this.#cut) return;
    const key = video.keyframeFrom(video.next);
    if (video.content(key) - video.content(video.next) <= CUT_SEARCH_US) return;
    this.#cut = this.#bestCut(video, key);
  }

  /** The earliest cut to `key` with the smallest displacement of the sound. */
  #bestCut(video: SampleRow, key: number): Cut {
    let from = video.next;
    let smallest = Number.POSITIVE_INFINITY;
    for (let n = video.next; video.content(n) - video.content(video.next) <= CUT_SEARCH_US; n++) {
      const error = this.#displacement(video.media(n), video.content(key) - video.media(n));
      if (error >= smallest) continue;
      from = n;
      smallest = error;
      if (error <= EXACT_US) break;
    }
    return { from, to: key };
  }

  /** How far, in microseconds, the sound would be off its place after a cut at media time `at`. */
  #displacement(at: number, shift: number): number {
    const audio = this.#audio;
    if (!audio) return 0;
    const old = Math.max(audio.next, audio.firstFrom(at + audio.shift));
    const target = audio.media(old) + shift;
    return Math.abs(audio.content(audio.nearest(target, old)) - target);
  }

  /** All audio before the cut has been taken: rows are polled in order of media time. */
  #apply(cut: Cut, video: SampleRow): void {
    video.shift = video.content(cut.to) - video.media(cut.from);
    video.next = cut.to;
    this.#cut = undefined;
    const audio = this.#audio;
    if (!audio) return;
    const at = audio.media(audio.next);
    audio.next = audio.nearest(at + video.shift, audio.next);
    audio.shift = audio.content(audio.next) - at;
  }

  /** Drops everything due before media time `position`; the video then continues with a keyframe. */
  #skipTo(position: number): void {
    this.#stalls++;
    this.#cut = undefined;
    const audio = this.#audio;
    if (audio) {
      const next = audio.firstFrom(position + audio.shift);
      this.#audioResumed ||= next > audio.next;
      audio.next = Math.max(audio.next, next);
    }
    const video = this.#video;
    if (!video) return;
    const next = video.firstFrom(position + video.shift);
    if (next <= video.next) return;
    video.next = next;
    this.#videoResumed = true;
    const key = video.keyframeFrom(video.next);
    if (key !== video.next) this.#cut = { from: video.next, to: key };
  }

  #take(row: SampleRow): DueSample {
    const n = row.next++;
    const isVideo = row === this.#video;
    const resumed = isVideo ? this.#videoResumed : this.#audioResumed;
    if (isVideo) this.#videoResumed = false;
    else this.#audioResumed = false;
    const audioLevel = row.audioLevel(n);
    return {
      track: row.kind,
      sampleIndex: row.indexOf(n),
      loop: row.loopOf(n),
      mediaTimeUs: row.media(n),
      keyframe: row.isKeyframe(n),
      resumed,
      ...(audioLevel === undefined ? {} : { audioLevel }),
    };
  }

  #earliest(): SampleRow | undefined {
    const v = this.#video;
    const a = this.#audio;
    if (!v || !a) return v ?? a;
    return a.media(a.next) < v.media(v.next) ? a : v;
  }

  #dueAt(row: SampleRow | undefined): Millis | undefined {
    return row && millis(this.#start + row.media(row.next) / 1000);
  }
}
