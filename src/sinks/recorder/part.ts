import type { Frame } from "../../core/frame.ts";
import type { Micros } from "../../core/time.ts";
import type { GroupTrack, RecordingGroup } from "./group.ts";
import type { RecordingPolicy } from "./policy.ts";

/** A file stays open for this long after the next one began: packets of its time may still come or be repaired. */
const DRAIN_US = 1_500_000;
/** A picture that does not come for this long is not waited for at a change of files. */
const PATIENCE_US = 10_000_000;
/** A track counts as live for this long after its last frame. */
const LIVE_US = 2_000_000;
const REQUEST_US = 1_000_000;
/** Browsers send keyframes when they are asked only: players can go to no other place. */
const SEEK_US = 60_000_000;

/** What a part needs. */
export type PartOptions = {
  readonly policy: RecordingPolicy;
  /** A group for the next file; `from`: where it begins. */
  readonly group: (from: Micros | undefined) => RecordingGroup;
  /** A file is complete; sound is to be brought up to `until`, if not to where it went over into the next. */
  readonly close: (group: RecordingGroup, until: Micros | undefined) => void;
  /** A new file waits for a keyframe of this track. */
  readonly requestKeyframe: (trackId: string) => void;
};

/** A file, and where each of its tracks goes over into the next one. */
type Segment = {
  readonly group: RecordingGroup;
  readonly cuts: Map<string, Micros>;
  /** When the next file was begun. */
  endedAt?: Micros;
};

/**
 * What is recorded of one participant under one name: one file after the other, of which each begins with a
 * keyframe and where the one before it ends. No frame is lost or doubled in between.
 */
export class RecordedPart {
  readonly #o: PartOptions;
  readonly #tracks = new Map<string, GroupTrack>();
  /** When a track's last frame was. */
  readonly #lastFrame = new Map<string, Micros>();
  /** When a track's last keyframe was, or was asked for. */
  readonly #lastKeyframe = new Map<string, Micros>();
  /** Files whose last frames may still come, and the one being written. */
  #segments: Segment[] = [];
  #current: Segment;
  #limit: Micros | undefined;
  #requestedAt = Number.NEGATIVE_INFINITY;

  constructor(o: PartOptions) {
    this.#o = o;
    this.#current = this.#next(undefined);
  }

  /** Octets in files that are open. */
  get openBytes(): number {
    return this.#segments.reduce((n, s) => n + (s.group.file?.bytes ?? 0), 0);
  }

  /** Some of its tracks are in the room. */
  get live(): boolean {
    return this.#tracks.size > 0;
  }

  /** A track appeared, or came back. */
  addTrack(t: GroupTrack): void {
    this.#tracks.set(t.id, t);
    this.#current.group.addTrack(t);
  }

  /** A track went away; the file goes on with the others. */
  removeTrack(id: string): void {
    this.#tracks.delete(id);
    this.#lastFrame.delete(id);
  }

  /** Nothing at or after this time is recorded. */
  limit(at: Micros | undefined): void {
    this.#limit = at;
    for (const s of this.#segments) s.group.limit(at);
  }

  /** One frame of a track. */
  frame(id: string, frame: Frame): void {
    const track = this.#tracks.get(id);
    if (!track) return;
    this.#lastFrame.set(id, frame.time);
    const segment = this.#segmentOf(id, frame);
    if (segment === this.#current) {
      if (this.#splits(track, frame)) this.#split(track, frame.time);
      else if (segment.group.awaitsKeyframe(id) && !frame.keyframe) this.#request(id, frame.time);
    } else if (track.kind === "video" && !segment.cuts.has(id)) {
      // With its next keyframe the picture goes over into the file that began without it.
      if (frame.keyframe) segment.cuts.set(id, frame.time);
      else this.#request(id, frame.time);
    }
    if (track.kind === "video") this.#keepSeekable(id, frame);
    this.#segmentOf(id, frame).group.frame(id, frame);
  }

  /** Session time now; call about ten times a second. */
  tick(now: Micros): void {
    if (this.live) for (const s of this.#segments) s.group.tick(now);
    if (this.#segments.length === 1) return;
    const done = this.#segments.filter((s) => s !== this.#current && this.#isOver(s, now));
    this.#segments = this.#segments.filter((s) => !done.includes(s));
    for (const s of done) this.#o.close(s.group, undefined);
  }

  /** Resolves when the disk has all that was written until now. */
  async drained(): Promise<void> {
    await Promise.all(this.#segments.map((s) => s.group.file?.drained()));
  }

  /** Ends all files. `until`: sound is brought up to there. */
  end(until: Micros | undefined): void {
    for (const s of this.#segments.splice(0)) this.#o.close(s.group, s === this.#current ? until : undefined);
  }

  #keepSeekable(id: string, frame: Frame): void {
    const last = this.#lastKeyframe.get(id);
    if (frame.keyframe || last === undefined) this.#lastKeyframe.set(id, frame.time);
    else if (frame.time - last >= SEEK_US) {
      this.#lastKeyframe.set(id, frame.time);
      this.#o.requestKeyframe(id);
    }
  }

  /** The file that a frame belongs into. */
  #segmentOf(id: string, frame: Frame): Segment {
    const middle = frame.time + (frame.duration ?? 0) / 2;
    for (const s of this.#segments) {
      const cut = s.cuts.get(id);
      if (s === this.#current || cut === undefined || middle < cut) return s;
    }
    return this.#current;
  }

  #splits(track: GroupTrack, frame: Frame): boolean {
    const { group } = this.#current;
    if (group.mustSplit(track.id, frame)) return true;
    if (track.kind === "video") {
      const change = group.changes(track.id, frame);
      const wanted = change === "rotation" || (change === "size" && this.#o.policy.onResize === "split");
      if (wanted && frame.keyframe) return true;
      if (wanted) this.#request(track.id, frame.time);
    }
    return this.#isDue(frame.time) && this.#canBegin(track, frame);
  }

  /** The file is as long as it was asked to be. */
  #isDue(time: Micros): boolean {
    const { segmentMs } = this.#o.policy;
    const start = this.#current.group.startUs;
    return segmentMs !== undefined && start !== undefined && time - start >= segmentMs * 1000;
  }

  /** A file begins with a keyframe of the picture; where there is none, with any sound. */
  #canBegin(track: GroupTrack, frame: Frame): boolean {
    if (track.kind === "video") {
      if (!frame.keyframe) this.#request(track.id, frame.time);
      return frame.keyframe;
    }
    return this.#liveVideo(frame.time) === undefined;
  }

  #liveVideo(now: Micros): GroupTrack | undefined {
    for (const t of this.#tracks.values()) {
      const last = this.#lastFrame.get(t.id);
      if (t.kind === "video" && last !== undefined && now - last < LIVE_US) return t;
    }
    return undefined;
  }

  /** Begins the next file at the frame of `track`. */
  #split(track: GroupTrack, at: Micros): void {
    const before = this.#current;
    before.endedAt = at;
    // At a change of the sound, the picture stays in the old file until its next keyframe.
    const video = track.kind === "video" ? undefined : this.#liveVideo(at);
    for (const t of this.#tracks.values()) if (t !== video) before.cuts.set(t.id, at);
    before.group.limitSound(at);
    if (video) this.#request(video.id, at);
    this.#current = this.#next(at);
    // Sound that overtook the picture.
    for (const { id, frame } of before.group.takeSound(at)) this.#current.group.frame(id, frame);
  }

  #next(from: Micros | undefined): Segment {
    const segment: Segment = { group: this.#o.group(from), cuts: new Map() };
    segment.group.limit(this.#limit);
    for (const t of this.#tracks.values()) segment.group.addTrack(t);
    this.#segments.push(segment);
    return segment;
  }

  #isOver(s: Segment, now: Micros): boolean {
    const { endedAt = now } = s;
    if (now - endedAt >= PATIENCE_US) return true;
    const last = Math.max(endedAt, ...s.cuts.values());
    const waits = [...this.#tracks.values()].some((t) => t.kind === "video" && !s.cuts.has(t.id));
    return !waits && now - last >= DRAIN_US;
  }

  #request(id: string, now: Micros): void {
    if (now - this.#requestedAt < REQUEST_US) return;
    this.#requestedAt = now;
    this.#o.requestKeyframe(id);
  }
}
