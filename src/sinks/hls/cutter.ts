import { equalBytes } from "../../core/bytes.ts";
import { type ProgramFormat, type ProgramSample, VIDEO_CLOCK } from "../program/program.ts";

/**
 * What lies between two cuts: a part of a segment, or all of it. One without length only ends its segment. Times in
 * ticks of 90 kHz.
 */
export type Piece = {
  readonly format: ProgramFormat;
  /** Each lasts until the next one begins, be it in another piece. */
  readonly video: readonly ProgramSample[];
  readonly audio: readonly ProgramSample[];
  readonly start: number;
  readonly end: number;
  readonly startsSegment: boolean;
  readonly endsSegment: boolean;
  /** Begins with a keyframe. */
  readonly independent: boolean;
  /** Does not continue the piece before. */
  readonly discontinuity: boolean;
};

/** Where to cut, in ticks of 90 kHz. */
export type CutterOptions = {
  /** A segment ends at the keyframe that is nearest to here. */
  readonly segment: number;
  /** Without a keyframe it ends here, at any picture. */
  readonly longestSegment: number;
  /** Parts are at most so long; undefined: there are none. */
  readonly part: number | undefined;
};

type Closed = Omit<Piece, "audio"> & {
  /** Sound from before belongs to nothing. */
  readonly soundFrom: number;
};

/** Keyframes this much early are on time: times are rounded. */
const EARLY = VIDEO_CLOCK / 50;
/** Parts inside of a segment last at least so much of what they may (rfc8216bis section 4.4.4.9). */
const LEAST = 0.85;
/** Pieces are not held back for sound that is so late. */
const LATE_SOUND = VIDEO_CLOCK;
/** Sound that nothing is made of is not kept for ever. */
const MAX_AUDIO = 2000;

/**
 * Cuts a rendition's samples into segments and parts: at the same places for all renditions that have their keyframes
 * at the same times. Samples go where they begin. A segment begins with a keyframe where one comes in time. A part ends
 * between two pictures, or, where that makes it too short or too long, while one is shown: it may have no picture.
 */
export class Cutter {
  readonly #o: CutterOptions;
  #format: ProgramFormat | undefined;
  #discontinuity = false;
  /** The next segment does not go on where another one ended. */
  #fresh = true;
  /** The newest picture, in no piece yet: it lasts until the next one. */
  #held: ProgramSample | undefined;
  #segmentStart: number | undefined;
  #partStart = 0;
  #lastKeyframe = 0;
  #video: ProgramSample[] = [];
  #partFormat: ProgramFormat | undefined;
  #audio: ProgramSample[] = [];
  readonly #closed: Closed[] = [];

  constructor(o: CutterOptions) {
    this.#o = o;
  }

  /** Something else comes from now on; the same again says nothing. */
  format(f: ProgramFormat): Piece[] {
    const before = this.#format;
    this.#format = f;
    if (!before || sameFormat(before, f)) return [];
    this.#endSegment();
    this.#discontinuity = true;
    return this.#drain(false);
  }

  /** What comes next does not continue what came before. */
  interruption(): Piece[] {
    const rest = this.end();
    this.#discontinuity = true;
    return rest;
  }

  /** Nothing more comes: what there is. */
  end(): Piece[] {
    this.#endSegment();
    const rest = this.#drain(true);
    this.#audio = [];
    return rest;
  }

  sample(s: ProgramSample): Piece[] {
    if (s.kind === "audio") {
      this.#audio.push(s);
      if (this.#audio.length > MAX_AUDIO) this.#audio.shift();
    } else this.#picture(s);
    return this.#drain(false);
  }

  #picture(v: ProgramSample): void {
    const held = this.#held;
    if (!held || this.#segmentStart === undefined) {
      if (v.keyframe) this.#begin(v);
      return;
    }
    const { part, longestSegment } = this.#o;
    if (v.time - held.time > longestSegment) {
      // No segment may last as long as this picture: the stream has a hole.
      this.#endSegment();
      this.#discontinuity = true;
      if (v.keyframe) this.#begin(v);
      return;
    }
    if (v.time - this.#segmentStart > longestSegment) this.#cutSegment(held.time);
    this.#video.push({ ...held, duration: v.time - held.time });
    this.#held = v;
    this.#cutParts(v.time, held.time);
    if (this.#endsBefore(v)) this.#cutSegment(v.time);
    else if (part !== undefined && v.time + v.duration - this.#partStart > part) {
      if (v.time - this.#partStart >= LEAST * part) this.#close(v.time, false);
    }
    if (v.keyframe) this.#lastKeyframe = v.time;
  }

  /** A segment begins with this picture: a keyframe, when the next one comes too late, or any where none comes. */
  #endsBefore(v: ProgramSample): boolean {
    const { segment, longestSegment } = this.#o;
    const length = v.time - (this.#segmentStart ?? v.time);
    if (length + v.duration > longestSegment) return true;
    const apart = v.time - this.#lastKeyframe;
    return v.keyframe && (length >= segment - EARLY || length + apart > longestSegment);
  }

  #begin(v: ProgramSample): void {
    this.#held = v;
    this.#lastKeyframe = v.time;
    this.#segmentStart = v.time;
    this.#partStart = v.time;
    this.#partFormat = this.#format;
  }

  /** Ends the segment behind the newest picture. */
  #endSegment(): void {
    const held = this.#held;
    if (held) {
      this.#video.push(held);
      this.#held = undefined;
      const end = held.time + held.duration;
      this.#cutParts(end, held.time);
      this.#close(end, true);
    }
    this.#segmentStart = undefined;
    this.#fresh = true;
  }

  #cutSegment(at: number): void {
    this.#close(at, true);
    this.#segmentStart = at;
  }

  /** Ends parts before they get too long. `end`: of the picture that begins at `newest`. */
  #cutParts(end: number, newest: number): void {
    const { part } = this.#o;
    while (part !== undefined && end - this.#partStart > part)
      this.#close(newest - this.#partStart >= LEAST * part ? newest : this.#partStart + part, false);
  }

  #close(end: number, endsSegment: boolean): void {
    const format = this.#partFormat ?? this.#format;
    if (!format) return;
    const start = this.#partStart;
    const startsSegment = start === this.#segmentStart;
    const later = this.#video.findIndex((s) => s.time >= end);
    const video = later === -1 ? this.#video : this.#video.slice(0, later);
    this.#closed.push({
      ...{ format, video, start, end, startsSegment, endsSegment },
      independent: video[0]?.keyframe === true && video[0].time === start,
      discontinuity: startsSegment && this.#discontinuity,
      soundFrom: startsSegment && this.#fresh ? start : Number.NEGATIVE_INFINITY,
    });
    if (startsSegment) {
      this.#discontinuity = false;
      this.#fresh = false;
    }
    this.#partFormat = this.#format;
    this.#partStart = end;
    this.#video = later === -1 ? [] : this.#video.slice(later);
  }

  /** Pieces whose sound is there too. */
  #drain(all: boolean): Piece[] {
    const out: Piece[] = [];
    for (let next = this.#closed[0]; next; next = this.#closed[0]) {
      const { end } = next;
      const newest = this.#audio.at(-1);
      const heard = newest !== undefined && this.#ticks(newest) >= end;
      const late = (this.#held?.time ?? end) - end > LATE_SOUND;
      if (!all && !heard && !late) break;
      this.#closed.shift();
      const cut = this.#audio.findIndex((a) => this.#ticks(a) >= end);
      const audio = this.#audio.splice(0, cut === -1 ? this.#audio.length : cut);
      const { soundFrom, ...piece } = next;
      out.push({ ...piece, audio: audio.filter((a) => this.#ticks(a) >= soundFrom) });
    }
    return out;
  }

  /** When a frame of sound begins. */
  #ticks(a: ProgramSample): number {
    return (a.time * VIDEO_CLOCK) / (this.#format?.audio.sampleRate ?? VIDEO_CLOCK);
  }
}

/** Players need not be told anew. */
export function sameFormat(a: ProgramFormat, b: ProgramFormat): boolean {
  return (
    equalBytes(a.video.config, b.video.config) &&
    equalBytes(a.audio.config, b.audio.config) &&
    a.video.width === b.video.width &&
    a.video.height === b.video.height
  );
}
