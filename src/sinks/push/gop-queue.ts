import { type ProgramFormat, type ProgramSample, VIDEO_CLOCK } from "../program/program.ts";

/** A sample that waits. */
export type Queued = {
  readonly sample: ProgramSample;
  readonly format: ProgramFormat;
  /** Milliseconds of the program. */
  readonly timeMs: number;
};

/** How much may wait. */
export type QueueLimits = { readonly bytes: number; readonly ms: number };

/** The fewest samples that are worth moving the rest for. */
const COMPACT_AT = 256;

/**
 * Samples on their way to one target. Where more wait than may, all but the newest group of pictures is dropped, with
 * its sound: one hole, and whoever watches is back at what happens now.
 */
export class GopQueue {
  readonly #limits: QueueLimits;
  #items: Queued[] = [];
  /** Those before it have left. */
  #from = 0;
  #bytes = 0;
  #dropped = 0;
  /** Only a keyframe can follow. */
  #broken = true;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.length - this.#from;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Samples dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The next one to go. */
  get first(): Queued | undefined {
    return this.#items[this.#from];
  }

  push(sample: ProgramSample, format: ProgramFormat): void {
    const key = isKey(sample);
    if (this.#broken && !key) {
      this.#dropped++;
      return;
    }
    this.#broken = false;
    this.#items.push({ sample, format, timeMs: timeOf(sample, format) });
    this.#bytes += sample.data.length;
    if (this.#excess()) this.keepNewest();
    if (this.#excess()) this.clear();
  }

  /** Takes the first one out. */
  shift(): Queued | undefined {
    const first = this.#items[this.#from];
    if (!first) return undefined;
    this.#from++;
    this.#bytes -= first.sample.data.length;
    if (this.#from === this.#items.length || this.#from >= COMPACT_AT) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
    return first;
  }

  /** Drops all but the newest group of pictures, and that as well when its beginning has left already. */
  keepNewest(): void {
    const key = this.#items.findLastIndex((q) => isKey(q.sample));
    if (key < this.#from) {
      this.clear();
      return;
    }
    this.#drop(key - this.#from);
  }

  /** Drops everything; a keyframe is the next to come in. */
  clear(): void {
    this.#drop(this.size);
    this.#broken = true;
  }

  /** What comes next does not continue what waits: only a keyframe can follow. */
  breakOff(): void {
    this.#broken = true;
  }

  #drop(n: number): void {
    this.#dropped += n;
    for (let i = 0; i < n; i++) this.shift();
  }

  #excess(): boolean {
    const first = this.first;
    const last = this.#items.at(-1);
    const ms = first && last ? last.timeMs - first.timeMs : 0;
    return this.#bytes > this.#limits.bytes || ms > this.#limits.ms;
  }
}

function isKey(s: ProgramSample): boolean {
  return s.kind === "video" && s.keyframe;
}

function timeOf(s: ProgramSample, format: ProgramFormat): number {
  return (1000 * s.time) / (s.kind === "video" ? VIDEO_CLOCK : format.audio.sampleRate);
}
