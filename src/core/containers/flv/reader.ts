import { u8, u24, u32 } from "../../bytes.ts";

/** What comes out of an FLV stream. All memory is its own. */
export type FlvEvent =
  | {
      readonly t: "config";
      readonly kind: "video" | "audio";
      /** AVCDecoderConfigurationRecord for 4-byte NAL lengths; AudioSpecificConfig. Neither is looked into. */
      readonly data: Uint8Array;
    }
  | {
      readonly t: "sample";
      readonly kind: "video" | "audio";
      /** NAL units behind 4-byte lengths, as they stand in the tag; a raw frame of AAC. Never empty. */
      readonly data: Uint8Array;
      /** Milliseconds; as the stream counts, with wraps undone. */
      readonly timeMs: number;
      /** Audio: true. */
      readonly keyframe: boolean;
    };

const HEADER = 9;
const TAG_HEADER = 11;
const BACK_POINTER = 4;
/** A header that claims to be longer holds nothing that anybody defined. */
const MAX_HEADER = 1024;
/** Coded pictures of any sane size fit; what fills the memory does not. */
const MAX_BODY = 8 << 20;
/** Octets taken in at once: bounds the buffer. */
const STEP = 1 << 16;
/** The clock of what ffmpeg writes: the sign of the specification's 32 bits is never set. */
const CLOCK = 2 ** 31;

const Tag = { audio: 8, video: 9, script: 18 } as const;
const AVC = 7;
const AAC = 10;

/**
 * Reads FLV (Adobe Flash Video File Format Specification 10.1, annex E) with H.264 and AAC as it comes through a pipe:
 * push octets in order, get configurations and samples. Pictures are shown when they are decoded: those with a
 * composition time of their own, and all other content, are left out and counted.
 *
 * FLV has no mark to find the way again by: where a tag does not follow a tag, reading ends, and `failed` is true.
 */
export class FlvReader {
  #buffer: Uint8Array = new Uint8Array(STEP);
  #from = 0;
  #to = 0;
  #begun = false;
  #failed = false;
  #ignored = 0;
  #lastTime = 0;

  /** What was pushed is no FLV, from some octet on: nothing more comes out. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Tags so far with content that is not understood. */
  get ignored(): number {
    return this.#ignored;
  }

  /** Octets that wait for more: at the end of the stream, what is torn. */
  get pending(): number {
    return this.#to - this.#from;
  }

  /** Adds the next octets and returns what they complete. They may be reused afterwards. */
  push(bytes: Uint8Array): FlvEvent[] {
    const out: FlvEvent[] = [];
    for (let at = 0; at < bytes.length && !this.#failed; at += STEP) {
      this.#append(bytes.subarray(at, at + STEP));
      if (!this.#begun) this.#begin();
      if (this.#begun) while (this.#tag(out));
    }
    return out;
  }

  #append(bytes: Uint8Array): void {
    const size = this.pending;
    if (this.#to + bytes.length > this.#buffer.length) {
      const old = this.#buffer;
      // Twice as much as there is, so that octets move a few times at most however slowly they come.
      if (size + bytes.length > old.length / 2) this.#buffer = new Uint8Array(2 * (size + bytes.length));
      this.#buffer.set(old.subarray(this.#from, this.#to));
      this.#from = 0;
      this.#to = size;
    }
    this.#buffer.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  /** The header, with the back pointer behind it that points at nothing. */
  #begin(): void {
    if (this.pending < HEADER) return;
    const size = u32(this.#buffer, this.#from + 5);
    // "FLV", version 1.
    if (u32(this.#buffer, this.#from) !== 0x464c5601 || size < HEADER || size > MAX_HEADER) this.#fail();
    else if (this.pending >= size + BACK_POINTER) {
      this.#from += size + BACK_POINTER;
      this.#begun = true;
    }
  }

  /** Takes a tag with the back pointer behind it. False: it is not there yet, or is none. */
  #tag(out: FlvEvent[]): boolean {
    if (this.pending < TAG_HEADER) return false;
    const b = this.#buffer;
    const at = this.#from;
    const type = u8(b, at);
    const size = u24(b, at + 1);
    if (!isTag(type) || size > MAX_BODY || u24(b, at + 8) !== 0) return this.#fail();
    const end = at + TAG_HEADER + size;
    if (end + BACK_POINTER > this.#to) return false;
    if (u32(b, end) !== TAG_HEADER + size) return this.#fail();
    this.#from = end + BACK_POINTER;
    const time = this.#unwrap(u24(b, at + 4) + 2 ** 24 * u8(b, at + 7));
    const body = b.subarray(at + TAG_HEADER, end);
    if (type === Tag.video) this.#video(body, time, out);
    else if (type === Tag.audio) this.#audio(body, time, out);
    // Encrypted content.
    else if (type !== Tag.script) this.#ignored++;
    return true;
  }

  /** VIDEODATA (annex E.4.3). */
  #video(body: Uint8Array, timeMs: number, out: FlvEvent[]): void {
    const frameType = u8(body, 0) >> 4;
    const packet = u8(body, 1);
    const data = body.slice(5);
    // Also says no to the extended header of newer versions, whose highest bit is set.
    const isPicture = frameType >= 1 && frameType <= 3 && (u8(body, 0) & 0x0f) === AVC;
    if (isPicture && packet === 0 && data.length >= 7 && (u8(data, 4) & 3) === 3)
      out.push({ t: "config", kind: "video", data });
    else if (isPicture && packet === 1 && data.length > 0 && u24(body, 2) === 0)
      out.push({ t: "sample", kind: "video", data, timeMs, keyframe: frameType === 1 });
    // The end of the sequence says nothing new.
    else if (!isPicture || packet !== 2) this.#ignored++;
  }

  /** AUDIODATA (annex E.4.2). */
  #audio(body: Uint8Array, timeMs: number, out: FlvEvent[]): void {
    const packet = u8(body, 1);
    const data = body.slice(2);
    if (u8(body, 0) >> 4 !== AAC || packet > 1 || data.length === 0) this.#ignored++;
    else if (packet === 0) out.push({ t: "config", kind: "audio", data });
    else out.push({ t: "sample", kind: "audio", data, timeMs, keyframe: true });
  }

  /** The time nearest to the one before that reads so. */
  #unwrap(time: number): number {
    const ahead = (time - this.#lastTime) % CLOCK;
    const step = ahead >= CLOCK / 2 ? ahead - CLOCK : ahead < -CLOCK / 2 ? ahead + CLOCK : ahead;
    this.#lastTime += step;
    return this.#lastTime;
  }

  #fail(): false {
    this.#failed = true;
    this.#from = 0;
    this.#to = 0;
    this.#buffer = new Uint8Array(0);
    return false;
  }
}

/** Audio, video or script, encrypted or not, without the reserved bits. */
function isTag(type: number): boolean {
  const kind = type & 0x1f;
  return type < 0x40 && (kind === Tag.audio || kind === Tag.video || kind === Tag.script);
}
