import { type MatroskaEvent, MatroskaReader } from "../core/containers/matroska/reader.ts";

/** One block of a stream, with its octets. */
export type DecodedBlock = {
  readonly kind: "video" | "audio";
  /** Milliseconds on the file's timeline. */
  readonly timeMs: number;
  /** A copy: the caller may keep it. */
  readonly data: Uint8Array;
};

/**
 * Takes a Matroska stream with raw pictures and sound apart while it arrives. Times travel with the data, which
 * no raw pipe can do. Memory: one block and one chunk.
 */
export class DecodedStream {
  readonly #reader = new MatroskaReader();
  readonly #kinds = new Map<number, "video" | "audio">();
  /** Octets from file position `#at` on that may still be asked for. */
  #chunks: Uint8Array[] = [];
  #at = 0;
  #end = 0;
  readonly #room: (size: number) => Uint8Array;

  /** `room`: makes the arrays that blocks are given out in; their content does not matter. */
  constructor(room: (size: number) => Uint8Array = (size) => new Uint8Array(size)) {
    this.#room = room;
  }

  /** Adds the next octets; returns the blocks they complete. */
  push(bytes: Uint8Array): DecodedBlock[] {
    this.#chunks.push(bytes);
    this.#end += bytes.length;
    const out: DecodedBlock[] = [];
    for (const e of this.#reader.push(bytes)) {
      if (e.t === "tracks") for (const t of e.tracks) this.#kinds.set(t.number, t.kind);
      const block = e.t === "block" ? this.#take(e) : undefined;
      if (block) out.push(block);
    }
    return out;
  }

  #take(e: Extract<MatroskaEvent, { t: "block" }>): DecodedBlock | undefined {
    const kind = this.#kinds.get(e.track);
    if (e.offset < this.#at || e.offset + e.size > this.#end) return undefined;
    this.#dropBefore(e.offset);
    const data = this.#room(e.size);
    let from = e.offset - this.#at;
    let filled = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(from, from + e.size - filled);
      data.set(part, filled);
      filled += part.length;
      from = 0;
      if (filled === e.size) break;
    }
    return kind && { kind, timeMs: e.timeMs, data };
  }

  #dropBefore(offset: number): void {
    let gone = 0;
    for (const chunk of this.#chunks) {
      if (this.#at + chunk.length > offset) break;
      this.#at += chunk.length;
      gone++;
    }
    this.#chunks.splice(0, gone);
  }
}
