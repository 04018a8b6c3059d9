import { ascii, concat, u16, u32 } from "../../bytes.ts";
import { type Millis, millis, type WallMillis, wallMillis } from "../../time.ts";
import { FILE_HEADER, PACKET_HEADER, RTPDUMP_MAGIC } from "./writer.ts";

/** A first line longer than this is none. */
const MAX_LINE = 128;
const NEWLINE = 0x0a;

/** One packet of a dump. */
export type RtpDumpPacket = {
  /** When it came, since the start of the dump; never before the packet ahead of it. */
  readonly at: Millis;
  readonly rtcp: boolean;
  /** Memory of its own. */
  readonly bytes: Uint8Array;
};

/**
 * Reads a dump in the format of rtptools' "rtpdump": push its octets in order, take packets out. The last packet
 * may be torn, because its writer died: it never comes out.
 */
export class RtpDumpReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #start: WallMillis | undefined;
  #malformed = false;
  #last = 0;
  #truncated = 0;

  /** When the dump was begun; undefined: its header is not read yet. */
  get start(): WallMillis | undefined {
    return this.#start;
  }

  /** This is no dump, or it ends in garbage: nothing more comes out. */
  get malformed(): boolean {
    return this.#malformed;
  }

  /** Packets that were stored in part only, and are left out. */
  get truncated(): number {
    return this.#truncated;
  }

  /** Octets that wait for more: at the end of the file, what is torn. */
  get pending(): number {
    return this.#bytes.length - this.#at;
  }

  /** The next octets of the file. Take all packets out before the next push: what is pushed is kept until then. */
  push(bytes: Uint8Array): void {
    if (this.#malformed) return;
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = rest.length === 0 ? bytes : concat([rest, bytes]);
    this.#at = 0;
    if (this.#start === undefined) this.#readHeader();
  }

  /** The next packet; undefined: push more. */
  next(): RtpDumpPacket | undefined {
    const b = this.#bytes;
    while (this.#start !== undefined && !this.#malformed && this.#at + PACKET_HEADER <= b.length) {
      const length = u16(b, this.#at);
      const packetLength = u16(b, this.#at + 2);
      if (length < PACKET_HEADER) {
        this.#malformed = true;
        return undefined;
      }
      const end = this.#at + length;
      if (end > b.length) return undefined;
      const from = this.#at + PACKET_HEADER;
      const at = this.#unwrap(u32(b, this.#at + 4));
      this.#at = end;
      // Dumps of others may hold headers only: such a packet cannot be played.
      if (end === from || packetLength > end - from) {
        this.#truncated++;
        continue;
      }
      const bytes = b.slice(from, packetLength === 0 ? end : from + packetLength);
      return { at: millis(at), rtcp: packetLength === 0, bytes };
    }
    return undefined;
  }

  #readHeader(): void {
    const line = this.#bytes.subarray(0, MAX_LINE).indexOf(NEWLINE);
    const known = Math.min(this.#bytes.length, RTPDUMP_MAGIC.length);
    if (
      ascii(this.#bytes, 0, known) !== RTPDUMP_MAGIC.slice(0, known) ||
      (line < 0 && this.#bytes.length >= MAX_LINE)
    ) {
      this.#malformed = true;
      return;
    }
    if (line < 0 || this.#bytes.length < line + 1 + FILE_HEADER) return;
    const binary = line + 1;
    this.#start = wallMillis(u32(this.#bytes, binary) * 1000 + u32(this.#bytes, binary + 4) / 1000);
    this.#at = binary + FILE_HEADER;
  }

  /** Whole milliseconds that never go back, but for the wrap after 49 days. */
  #unwrap(offset: number): number {
    const wraps = Math.floor(this.#last / 0x1_0000_0000);
    let at = wraps * 0x1_0000_0000 + offset;
    if (this.#last - at > 0x8000_0000) at += 0x1_0000_0000;
    this.#last = Math.max(this.#last, at);
    return this.#last;
  }
}
