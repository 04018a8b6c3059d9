import { closeSync, openSync, readSync, statSync } from "node:fs";
import { type RtpDumpPacket, RtpDumpReader } from "../../core/containers/rtpdump/reader.ts";
import { RoomtapError } from "../../core/fault.ts";

const PIECE = 64 * 1024;

/** The packets of one file, read as they are asked for: a dump may be larger than memory. */
export class PacketFile {
  readonly #path: string;
  readonly #fd: number;
  readonly #reader = new RtpDumpReader();
  #next: RtpDumpPacket | undefined;
  #taken = 0;
  #read = 0;
  #ended = false;
  #closed = false;

  /** Throws a RoomtapError `media-invalid` on what is no dump. A file without a single octet is one, without packets. */
  constructor(path: string) {
    this.#path = path;
    try {
      // A pipe would be waited for, and a device has no end.
      if (!statSync(path).isFile()) throw new Error("it is not a file");
      this.#fd = openSync(path, "r");
    } catch (cause) {
      throw unreadable(path, cause);
    }
    this.#advance();
    if (this.#read > 0 && this.#reader.start === undefined) {
      this.close();
      throw new RoomtapError("media-invalid", `${path} is not an rtpdump file`, {
        hint: "use what roomtap record --dump-rtp wrote",
      });
    }
  }

  /** The packet that comes next; undefined: no more. */
  get next(): RtpDumpPacket | undefined {
    return this.#next;
  }

  /** Packets taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** Octets read so far. */
  get read(): number {
    return this.#read;
  }

  /** Something read so far is no packet, or one that is there in part only. */
  get damaged(): boolean {
    return this.#reader.damaged;
  }

  /** Goes on to the packet behind `next`. */
  take(): void {
    this.#taken++;
    this.#advance();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }

  #advance(): void {
    this.#next = this.#reader.next();
    while (this.#next === undefined && !this.#ended) {
      const piece = new Uint8Array(PIECE);
      const n = this.#readInto(piece);
      this.#read += n;
      this.#ended = n === 0 || this.#reader.malformed;
      if (n > 0) this.#reader.push(piece.subarray(0, n));
      else this.#reader.end();
      this.#next = this.#reader.next();
    }
  }

  #readInto(piece: Uint8Array): number {
    try {
      return readSync(this.#fd, piece, 0, piece.length, null);
    } catch (cause) {
      this.close();
      throw unreadable(this.#path, cause);
    }
  }
}

function unreadable(path: string, cause: unknown): RoomtapError {
  return new RoomtapError("media-invalid", `cannot read the dump ${path}`, {
    hint: "check the path; every file of a dump must be beside its table",
    cause,
  });
}
