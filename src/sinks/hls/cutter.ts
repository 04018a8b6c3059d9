import { equalBytes } from "../../core/bytes.ts";
import { type ProgramFormat, type ProgramSample, VIDEO_CLOCK } from "../program/program.ts";

/** What lies between two cuts: a part of a segment, or all of it. Times in ticks of 90 kHz. */
export type Piece = {
  readonly format: ProgramFormat;
  /** Each lasts until the next one begins. */
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
  /** A segment ends at the first keyframe about here. */
  readonly segment: number;
  /** Without a keyframe it ends here, at any picture. */
  readonly longestSegment: number;
  /** Parts are at most so long; undefined: there are none. */
  readonly part: number | undefined;
};

type Closed = Omit<Piece, "audio">;

/** Keyframes this much early are on time: times are rounded. */
const EARLY = VIDEO_CLOCK / 50;
/** Pieces are not held back for sound that is so late. */
const LATE_SOUND = VIDEO_CLOCK;
/** Sound that nothing is made of is not kept for ever. */
const MAX_AUDIO = 2000;

/**
 * Cuts a rendition's samples into segments and parts: at the same places for all renditions that have their keyframes
 * at the same times. The sound goes where its frames begin.
 */
export class Cutter {
  readonly #o: CutterOptions;
  #format: ProgramFormat | undefined;
  #discontinuity = false;
  /** The newest picture: it lasts until the next one. */
  #held: ProgramSample | undefined;
  #segmentStart: number | undefined;
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
    const first = this.#video[0] ?? held;
    const { part, segment, longestSegment } = this.#o;
    // One that turned out to last long begins a part of its own.
    if (part !== undefined && first !== held && v.time - first.time > part) this.#close(held.time, false);
    this.#video.push({ ...held, duration: v.time - held.time });
    this.#held = v;
    const length = v.time - this.#segmentStart;
    const over = (v.keyframe && length >= segment - EARLY) || length + v.duration > longestSegment;
    const start = this.#video[0]?.time ?? v.time;
    if (over) {
      this.#close(v.time, true);
      this.#segmentStart = v.time;
    } else if (part !== undefined && v.time - start + v.duration > part) this.#close(v.time, false);
  }

  #begin(v: ProgramSample): void {
    this.#held = v;
    this.#segmentStart = v.time;
    this.#partFormat = this.#format;
    // What was heard before belongs to nothing.
    this.#audio = this.#audio.filter((a) => this.#ticks(a) >= v.time - a.duration);
  }

  /** Ends the part, and with it the segment, behind the newest picture. */
  #endSegment(): void {
    const held = this.#held;
    if (held) {
      this.#video.push(held);
      this.#held = undefined;
      this.#close(held.time + held.duration, true);
    }
    this.#segmentStart = undefined;
  }

  #close(end: number, endsSegment: boolean): void {
    const [first] = this.#video;
    const format = this.#partFormat ?? this.#format;
    if (!first || !format) return;
    const startsSegment = first.time === this.#segmentStart;
    this.#closed.push({
      ...{ format, video: this.#video, start: first.time, end, startsSegment, endsSegment },
      independent: first.keyframe,
      discontinuity: startsSegment && this.#discontinuity,
    });
    if (startsSegment) this.#discontinuity = false;
    this.#partFormat = this.#format;
    this.#video = [];
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
      out.push({ ...next, audio });
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
