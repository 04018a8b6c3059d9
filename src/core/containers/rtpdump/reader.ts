import { ascii, concat, u16, u32 } from "../../bytes.ts";
import { type Millis, millis, type WallMillis, wallMillis } from "../../time.ts";
import { FILE_HEADER, PACKET_HEADER, RTPDUMP_MAGIC } from "./writer.ts";

/** A first line longer than this is none. */
const MAX_LINE = 128;
const NEWLINE = 0x0a;
/** A packet that comes so long after the one ahead of it, milliseconds, must have others behind it that do too. */
const LEAP_MS = 600_000;
/** Packets that are looked at behind one whose length nothing confirms. */
const CHAIN = 8;

/** One packet of a dump. */
export type RtpDumpPacket = {
  /** When it came, since the start of the dump; never before the packet ahead of it. */
  readonly at: Millis;
  readonly rtcp: boolean;
  /** Memory of its own. */
  readonly bytes: Uint8Array;
};

/**
 * Reads a dump in the format of rtptools' "rtpdump": push its octets in order, take packets out, say when it ends.
 * The last packet may be torn, because its writer died: it never comes out. Where the octets are no packets, reading
 * goes on at the next that is one beyond doubt.
 */
export class RtpDumpReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #start: WallMillis | undefined;
  #malformed = false;
  #ended = false;
  /** Octets from here on are no packets, until one is found. */
  #astray = false;
  #damaged = false;
  #last = 0;

  /** When the dump was begun; undefined: its header is not read yet. */
  get start(): WallMillis | undefined {
    return this.#start;
  }

  /** This is no dump: nothing comes out. */
  get malformed(): boolean {
    return this.#malformed;
  }

  /** Some octets so far were no packets, or those of packets stored in part: they are left out. */
  get damaged(): boolean {
    return this.#damaged;
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

  /** No more octets follow: what waits for them is decided with what there is. */
  end(): void {
    this.#ended = true;
  }

  /** The next packet; undefined: push more. */
  next(): RtpDumpPacket | undefined {
    while (this.#start !== undefined && !this.#malformed) {
      if (this.#astray && !this.#find()) return undefined;
      const b = this.#bytes;
      const header = this.#at;
      if (header + PACKET_HEADER > b.length) return undefined;
      const from = header + PACKET_HEADER;
      const end = header + u16(b, header);
      if (end > b.length && !this.#ended) {
        if (fits(b, header)) return undefined;
        this.#stray(true);
        continue;
      }
      const leads = end <= b.length && this.#leadsOn(header);
      if (leads === undefined) return undefined;
      if (!leads) {
        // A torn packet at the end is none of the damage: its writer died.
        this.#stray(end <= b.length);
        continue;
      }
      const at = this.#timeOf(header, end);
      if (at === undefined) return undefined;
      this.#last = at;
      this.#at = end;
      if (end === from) continue;
      return { at: millis(at), rtcp: u16(b, header + 2) === 0, bytes: b.slice(from, end) };
    }
    return undefined;
  }

  #stray(damaged: boolean): void {
    this.#astray = true;
    this.#damaged ||= damaged;
    this.#at++;
  }

  /** Goes to the next octet where a packet stands beyond doubt, another or the end behind it. False: push more. */
  #find(): boolean {
    const b = this.#bytes;
    for (; this.#at + PACKET_HEADER < b.length; this.#at++) {
      const from = this.#at + PACKET_HEADER;
      if (u16(b, this.#at) < PACKET_HEADER + 4 || (b[from] ?? 0) >> 6 !== 2 || !fits(b, this.#at)) continue;
      const end = this.#at + u16(b, this.#at);
      if (end + PACKET_HEADER > b.length && !this.#ended) return false;
      if (end > b.length || !isSure(b, this.#at)) continue;
      if (end !== b.length && !(end + PACKET_HEADER <= b.length && isSure(b, end))) continue;
      this.#astray = false;
      this.#damaged = true;
      return true;
    }
    return false;
  }

  /** A packet is where one is expected: its length is sure, or leads to others. Undefined: push more. */
  #leadsOn(header: number): boolean | undefined {
    const b = this.#bytes;
    let at = header;
    for (let n = 0; n < CHAIN; n++) {
      if (at + PACKET_HEADER > b.length) return this.#ended || undefined;
      if (!fits(b, at)) return false;
      if (isSure(b, at)) return true;
      at += u16(b, at);
    }
    return true;
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

  /** When a packet came; one whose time the next does not share came with the one ahead. Undefined: push more. */
  #timeOf(header: number, end: number): number | undefined {
    const b = this.#bytes;
    const at = this.#unwrap(u32(b, header + 4));
    if (at - this.#last <= LEAP_MS) return at;
    if (end + PACKET_HEADER > b.length) return this.#ended ? this.#last : undefined;
    const further = (u32(b, end + 4) - u32(b, header + 4)) | 0;
    return further < -LEAP_MS / 2 ? this.#last : at;
  }

  /** Whole milliseconds that never go back, but for the wrap after 49 days. */
  #unwrap(offset: number): number {
    const wraps = Math.floor(this.#last / 0x1_0000_0000);
    let at = wraps * 0x1_0000_0000 + offset;
    if (this.#last - at > 0x8000_0000) at += 0x1_0000_0000;
    return Math.max(this.#last, at);
  }
}

/** The two lengths of a packet's header may stand together: of a whole RTP packet, or of RTCP. */
function fits(b: Uint8Array, header: number): boolean {
  const length = u16(b, header);
  const packet = u16(b, header + 2);
  return length >= PACKET_HEADER && (packet === 0 || packet === length - PACKET_HEADER);
}

/** The length in a packet's header is confirmed by another. */
function isSure(b: Uint8Array, header: number): boolean {
  const length = u16(b, header);
  const packet = u16(b, header + 2);
  const end = header + length;
  if (packet > 0) return packet === length - PACKET_HEADER;
  if (end > b.length || length <= PACKET_HEADER) return false;
  // A compound of RTCP packets that ends where the header says (RFC 3550 section 6.1).
  let at = header + PACKET_HEADER;
  while (at + 4 <= end && (b[at] ?? 0) >> 6 === 2) at += 4 * (u16(b, at + 2) + 1);
  return at === end;
}
