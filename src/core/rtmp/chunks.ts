import { concat, putU24, putU32, u8, u24, u32 } from "../bytes.ts";

/** Message types (RTMP 1.0 sections 5.4, 6.2 and 7.1). */
export const MessageType = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAcknowledgementSize: 5,
  setPeerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf0: 18,
  commandAmf3: 17,
  commandAmf0: 20,
} as const;

/** A message, whole. */
export type RtmpMessage = {
  readonly type: number;
  /** Message stream: 0 is the connection itself. */
  readonly stream: number;
  readonly payload: Uint8Array;
};

/** Octets of a chunk before anything else is agreed (section 5.4.1). */
const INITIAL_CHUNK_SIZE = 128;
/** What a server says to a publisher is short. */
const MAX_MESSAGE = 1 << 20;
/** Chunk streams that a server may use. */
const MAX_CHUNK_STREAMS = 64;
/** All ones: the timestamp stands in 4 octets of its own (section 5.3.1.3). */
const EXTENDED = 0xffffff;
/** Octets of the message header by chunk type (section 5.3.1.2). */
const HEADER_SIZES = [11, 7, 3, 0] as const;

type ChunkStream = {
  length: number;
  type: number;
  stream: number;
  extended: boolean;
  readonly parts: Uint8Array[];
  have: number;
};

/** Puts messages together from chunks (section 5.3), however they are cut. */
export class ChunkReader {
  #pending: Uint8Array = new Uint8Array(0);
  #chunkSize = INITIAL_CHUNK_SIZE;
  readonly #streams = new Map<number, ChunkStream>();
  #failed = false;

  /** What came was no RTMP; nothing more is read. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The messages that are whole now. Sizes of chunks and aborted messages are seen to here, and not returned. */
  push(bytes: Uint8Array): RtmpMessage[] {
    const out: RtmpMessage[] = [];
    let b = this.#pending.length === 0 ? bytes : concat([this.#pending, bytes]);
    while (!this.#failed) {
      const n = this.#chunk(b, out);
      if (n === 0) break;
      b = b.subarray(n);
    }
    // A copy: what was given belongs to the caller.
    this.#pending = this.#failed ? new Uint8Array(0) : b.slice();
    return out;
  }

  /** Reads one chunk from the start of `b`; returns its octets, 0 when it is not whole. */
  #chunk(b: Uint8Array, out: RtmpMessage[]): number {
    if (b.length < 1) return 0;
    const low = u8(b, 0) & 0x3f;
    let at = low === 0 ? 2 : low === 1 ? 3 : 1;
    const format = (u8(b, 0) >> 6) as 0 | 1 | 2 | 3;
    const size = HEADER_SIZES[format];
    if (b.length < at + size) return 0;
    const id = low === 0 ? 64 + u8(b, 1) : low === 1 ? 64 + u8(b, 1) + 256 * u8(b, 2) : low;
    const s = this.#streams.get(id) ?? this.#open(id, format);
    if (!s) return 0;
    const extended = format === 3 ? s.extended : u24(b, at) === EXTENDED;
    const length = format < 2 ? u24(b, at + 3) : s.length;
    if (length > MAX_MESSAGE) this.#failed = true;
    const begins = s.have === 0;
    const take = Math.min(this.#chunkSize, length - (begins ? 0 : s.have));
    const header = at + size + (extended ? 4 : 0);
    // A new header in the middle of a message: the two cannot be told apart.
    if (take < 0 || (!begins && format !== 3 && length !== s.length)) this.#failed = true;
    if (this.#failed || b.length < header + take) return 0;
    s.extended = extended;
    s.length = length;
    if (format < 2) s.type = u8(b, at + 6);
    // The only number of RTMP that is little-endian.
    if (format === 0)
      s.stream =
        (u8(b, at + 7) | (u8(b, at + 8) << 8) | (u8(b, at + 9) << 16) | (u8(b, at + 10) << 24)) >>> 0;
    at = header + take;
    s.parts.push(b.slice(header, at));
    s.have += take;
    if (s.have === s.length) this.#complete(s, out);
    return at;
  }

  #open(id: number, format: number): ChunkStream | undefined {
    // Only a whole header can be the first.
    if (format !== 0 && format !== 1) this.#failed = true;
    if (this.#streams.size >= MAX_CHUNK_STREAMS) this.#failed = true;
    if (this.#failed) return undefined;
    const s: ChunkStream = { length: 0, type: 0, stream: 0, extended: false, parts: [], have: 0 };
    this.#streams.set(id, s);
    return s;
  }

  #complete(s: ChunkStream, out: RtmpMessage[]): void {
    const payload = concat(s.parts.splice(0));
    s.have = 0;
    if (s.type === MessageType.setChunkSize) {
      const size = u32(payload, 0) & 0x7fffffff;
      if (payload.length < 4 || size === 0) this.#failed = true;
      else this.#chunkSize = size;
    } else if (s.type === MessageType.abort) {
      const aborted = this.#streams.get(u32(payload, 0));
      aborted?.parts.splice(0);
      if (aborted) aborted.have = 0;
    } else out.push({ type: s.type, stream: s.stream, payload });
  }
}

/** A message to be sent. */
export type OutgoingMessage = RtmpMessage & {
  /** Chunk stream, 2..63. */
  readonly chunkStream: number;
  /** Milliseconds; counts on from 0 after 2^32. */
  readonly time: number;
};

/** The chunks of a message, all in one array, each of `chunkSize` octets at most. */
export function chunksOf(m: OutgoingMessage, chunkSize: number): Uint8Array {
  const time = m.time % 0x1_0000_0000;
  const extended = time >= EXTENDED;
  const extra = extended ? 4 : 0;
  const { payload } = m;
  const continued = Math.max(0, Math.ceil(payload.length / chunkSize) - 1);
  const out = new Uint8Array(12 + extra + payload.length + continued * (1 + extra));
  out[0] = m.chunkStream;
  putU24(out, 1, extended ? EXTENDED : time);
  putU24(out, 4, payload.length);
  out[7] = m.type;
  for (let i = 0; i < 4; i++) out[8 + i] = m.stream >>> (8 * i);
  let at = 12;
  for (let from = 0; from === 0 || from < payload.length; from += chunkSize) {
    if (from > 0) out[at++] = 0xc0 | m.chunkStream;
    if (extended) putU32(out, at, time);
    at += extra;
    const part = payload.subarray(from, from + chunkSize);
    out.set(part, at);
    at += part.length;
  }
  return out;
}
