import { NutCursor } from "./cursor.ts";
import { type FrameCode, FrameFlag, type NutHeader, parseMainHeader, parseStreamHeader } from "./header.ts";

/** A frame of a stream. */
export type NutFrame = {
  readonly stream: number;
  /** Milliseconds. */
  readonly timeMs: number;
  /** The caller's to keep. */
  readonly data: Uint8Array;
};

/** Headers are a few hundred octets, what stands before a frame a few. */
const MAX_HEADER = 65_536;
const MAX_FRAME = 64 * 1024 * 1024;
/** Every packet but frames begins with this letter. */
const START = 0x4e;
const MAIN = 0x4e4d7a56;
const STREAM = 0x4e531140;
const SYNCPOINT = 0x4e4be4ad;

/**
 * Reads NUT as ffmpeg writes it, as it comes: unlike other containers it gives a frame out, with its time, when it is
 * there and not when the next one is. Memory: one frame and one chunk.
 */
export class NutReader {
  readonly #room: (size: number) => Uint8Array;
  readonly #header: NutHeader = { bases: [], codes: [], elisions: [], streams: [] };
  readonly #last: number[] = [];
  /** Octets before a frame, until they are whole. */
  #rest = new Uint8Array(0);
  #named = false;
  #failed = false;
  /** Octets of a packet that is passed over. */
  #skip = 0;
  #frame: { readonly stream: number; readonly timeMs: number; readonly data: Uint8Array } | undefined;
  #filled = 0;

  /** `room`: makes the arrays that frames are given out in; their content does not matter. */
  constructor(room: (size: number) => Uint8Array = (size) => new Uint8Array(size)) {
    this.#room = room;
  }

  /** What came is not NUT, or not what ffmpeg makes: nothing more is read. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Adds the next octets; returns the frames they complete. */
  push(bytes: Uint8Array): NutFrame[] {
    const out: NutFrame[] = [];
    let at = 0;
    while (at < bytes.length && !this.#failed) {
      if (this.#frame) at = this.#fill(bytes, at, out);
      else if (this.#skip > 0) {
        const n = Math.min(this.#skip, bytes.length - at);
        this.#skip -= n;
        at += n;
      } else at = this.#packet(bytes, at, out);
    }
    return out;
  }

  #fill(bytes: Uint8Array, at: number, out: NutFrame[]): number {
    const { data } = this.#frame ?? { data: this.#rest };
    const part = bytes.subarray(at, at + data.length - this.#filled);
    data.set(part, this.#filled);
    this.#filled += part.length;
    this.#give(out);
    return at + part.length;
  }

  #give(out: NutFrame[]): void {
    if (!this.#frame || this.#filled < this.#frame.data.length) return;
    out.push(this.#frame);
    this.#frame = undefined;
  }

  /** Reads what stands before a frame, or another packet. Returns where it ends. */
  #packet(bytes: Uint8Array, at: number, out: NutFrame[]): number {
    const before = this.#rest.length;
    const head = new Uint8Array(before + Math.min(MAX_HEADER, bytes.length - at));
    head.set(this.#rest);
    head.set(bytes.subarray(at, at + head.length - before), before);
    const cursor = new NutCursor(head);
    const read = !this.#named
      ? this.#name(cursor)
      : head[0] === START
        ? this.#other(cursor)
        : this.#head(cursor);
    if (!read) this.#failed = true;
    if (cursor.short) {
      this.#failed = head.length >= MAX_HEADER;
      this.#rest = head;
      return bytes.length;
    }
    this.#rest = new Uint8Array(0);
    this.#give(out);
    return at + cursor.at - before;
  }

  /** The name at the start of the file, which ends with a zero. */
  #name(c: NutCursor): boolean {
    let octet = c.octet();
    while (octet !== 0 && !c.short) octet = c.octet();
    this.#named = !c.short;
    return true;
  }

  #other(c: NutCursor): boolean {
    const code = c.word();
    c.word();
    const size = c.value();
    if (size > 4096) c.word();
    const start = c.at;
    if (c.short) return true;
    if (code !== MAIN && code !== STREAM && code !== SYNCPOINT) {
      this.#skip = size;
      return true;
    }
    if (size > MAX_HEADER) return false;
    c.need(size);
    if (c.short) return true;
    if (code === MAIN && !parseMainHeader(c, this.#header)) return false;
    if (code === STREAM && !parseStreamHeader(c, this.#header)) return false;
    if (code === SYNCPOINT) this.#sync(c);
    c.at = start + size;
    return true;
  }

  /** Times are counted anew from here. */
  #sync(c: NutCursor): void {
    const { bases, streams } = this.#header;
    const coded = c.value();
    const from = bases[coded % Math.max(1, bases.length)];
    const ticks = Math.floor(coded / Math.max(1, bases.length));
    for (const [i, s] of streams.entries())
      this.#last[i] = from && s ? Math.floor((ticks * from) / s.baseMs) : 0;
  }

  #head(c: NutCursor): boolean {
    const code = this.#header.codes[c.octet()];
    if (!code) return false;
    const { flags, stream, time, size } = this.#fields(c, code);
    if (c.short) return true;
    const s = this.#header.streams[stream];
    if (!s || size < 0 || size > MAX_FRAME || (flags & FrameFlag.sideData) !== 0) return false;
    this.#last[stream] = time;
    this.#frame = { stream, timeMs: time * s.baseMs, data: this.#room(size) };
    this.#filled = 0;
    return true;
  }

  #fields(c: NutCursor, code: FrameCode) {
    let { flags, stream, size } = code;
    if (flags & FrameFlag.coded) flags ^= c.value();
    if (flags & FrameFlag.stream) stream = c.value();
    const last = this.#last[stream] ?? 0;
    const time = flags & FrameFlag.time ? this.#time(c.value(), stream, last) : last + code.timeDelta;
    if (flags & FrameFlag.size) size += code.sizeFactor * c.value();
    if (flags & FrameFlag.matchTime) c.value();
    const elision = flags & FrameFlag.elision ? c.value() : code.elision;
    const reserved = flags & FrameFlag.reserved ? c.value() : code.reserved;
    for (let i = 0; i < reserved && !c.short; i++) c.value();
    if (flags & FrameFlag.checksum) c.word();
    // Octets that stand in the header and not in the frame: raw ones have none.
    if (size <= 4096 && (this.#header.elisions[elision] ?? 0) > 0) size = -1;
    return { flags, stream, time, size };
  }

  /** A time of which only the lower bits may be told. */
  #time(coded: number, stream: number, last: number): number {
    const whole = 2 ** (this.#header.streams[stream]?.shift ?? 0);
    if (coded >= whole) return coded - whole;
    const from = last - Math.floor((whole - 1) / 2);
    return from + ((((coded - from) % whole) + whole) % whole);
  }
}
