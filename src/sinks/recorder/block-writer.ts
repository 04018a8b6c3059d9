import { closeSync, openSync, write } from "node:fs";
import { concat } from "../../core/bytes.ts";
import type { FilePatch } from "../../core/containers/matroska/writer.ts";
import { RoomtapError } from "../../core/fault.ts";

/** More than this waiting for the disk: new media is dropped rather than memory filled. */
const MAX_QUEUED = 64 * 1024 * 1024;
/** Pieces are joined up to this size. */
const MAX_WRITE = 1024 * 1024;
/** Memory of pieces that are written is given back after so many. */
const MAX_TAKEN = 1000;

/**
 * Writes pieces of a file at their places, in order, without blocking the event loop. Neighbouring pieces
 * share a write.
 */
export class BlockWriter {
  readonly #path: string;
  readonly #fd: number;
  readonly #onFailure: (error: RoomtapError) => void;
  #queue: FilePatch[] = [];
  /** Pieces of the queue that are taken: an array that is long gives up its first one slowly. */
  #taken = 0;
  #queued = 0;
  #writing = false;
  #failed = false;
  #closed: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  /** Creates the file, which must not exist. Throws a RoomtapError `output-unwritable`. */
  constructor(path: string, onFailure: (error: RoomtapError) => void, flags: "wx" | "r+" = "wx") {
    this.#path = path;
    this.#onFailure = onFailure;
    try {
      this.#fd = openSync(path, flags, 0o644);
    } catch (cause) {
      throw diskError(path, cause);
    }
  }

  /** Nothing can be written any more. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The disk is behind by more than what may wait. */
  get full(): boolean {
    return this.#queued > MAX_QUEUED;
  }

  /** Queues pieces. What comes after a failure or `close` is not written. */
  push(pieces: readonly FilePatch[]): void {
    if (this.#failed || this.#closed !== undefined) return;
    for (const p of pieces) this.#queued += p.bytes.length;
    this.#queue.push(...pieces);
    this.#pump();
  }

  /** Resolves when everything queued is written, or writing has failed. */
  async drained(): Promise<void> {
    if (this.#queue.length === this.#taken && !this.#writing) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Writes the rest and closes. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.drained().then(() => closeSync(this.#fd));
    return this.#closed;
  }

  #pump(): void {
    if (this.#writing) return;
    const piece = this.#next();
    if (!piece || this.#failed) {
      for (const wake of this.#idle.splice(0)) wake();
      return;
    }
    this.#writing = true;
    this.#write(piece.bytes, piece.at, (error) => {
      this.#writing = false;
      this.#queued -= piece.bytes.length;
      if (error) {
        this.#failed = true;
        this.#queue = [];
        this.#taken = 0;
        this.#queued = 0;
        this.#onFailure(diskError(this.#path, error));
      }
      this.#pump();
    });
  }

  /** The first piece, joined with those that follow it in the file. */
  #next(): FilePatch | undefined {
    const first = this.#queue[this.#taken++];
    if (!first) {
      this.#queue = [];
      this.#taken = 0;
      return undefined;
    }
    const parts = [first.bytes];
    let end = first.at + first.bytes.length;
    for (let next = this.#queue[this.#taken]; next?.at === end && end - first.at < MAX_WRITE; ) {
      parts.push(next.bytes);
      end += next.bytes.length;
      next = this.#queue[++this.#taken];
    }
    if (this.#taken > MAX_TAKEN) {
      this.#queue.splice(0, this.#taken);
      this.#taken = 0;
    }
    return { at: first.at, bytes: concat(parts) };
  }

  #write(bytes: Uint8Array, at: number, done: (error: Error | null) => void): void {
    write(this.#fd, bytes, 0, bytes.length, at, (error, written) => {
      if (error || written === bytes.length) done(error);
      // A disk that fills up takes a part first and fails with the rest.
      else this.#write(bytes.subarray(written), at + written, done);
    });
  }
}

/** What a failed file operation means to the person at the shell. */
export function diskError(path: string, cause: unknown): RoomtapError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new RoomtapError("disk-full", "the disk is full; what was recorded until now is kept", {
      hint: "free space, or choose another directory with --out",
      cause,
    });
  }
  return new RoomtapError("output-unwritable", `cannot write ${path}${code ? ` (${code})` : ""}`, {
    hint: "choose another directory with --out",
    cause,
  });
}
