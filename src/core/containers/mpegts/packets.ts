import { concat } from "../../bytes.ts";

/** Octets of a packet, and of what is left of it behind its header. */
export const TS_PACKET = 188;
const BODY = TS_PACKET - 4;

const SYNC = 0x47;
const UNIT_START = 0x40;
/** In the header: an adaptation field, and content. */
const ADAPTATION = 0x20;
const CONTENT = 0x10;
/** Flags of adaptation fields. */
const RANDOM_ACCESS = 0x40;
const HAS_PCR = 0x10;
/** Clocks of 90 kHz have 33 bits here. */
const CLOCK = 2 ** 33;
const NO_FIELD = new Uint8Array(0);

/** A unit that goes into packets: a table or a PES packet. */
export type TsUnit = {
  readonly pid: number;
  /** Octets of it, in pieces. */
  readonly parts: readonly Uint8Array[];
  /** What fills the last packet: `adaptation` before the content, `behind` it. */
  readonly stuffing: "adaptation" | "behind";
  /** Decoding can begin with it. */
  readonly randomAccess?: boolean;
  /** Program clock reference, 90 kHz, on the first packet. */
  readonly pcr?: number;
};

/** Cuts units into packets of a transport stream (ISO/IEC 13818-1 section 2.4.3), and counts those. */
export class TsPacketizer {
  readonly #counters = new Map<number, number>();

  /** The packets of a unit. */
  packets(unit: TsUnit): Uint8Array {
    const content = concat(unit.parts);
    const field = firstField(unit);
    const count = Math.ceil((field.length + content.length) / BODY);
    const out = new Uint8Array(count * TS_PACKET).fill(0xff);
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const at = i * TS_PACKET;
      const own = i === 0 ? field : NO_FIELD;
      const size = Math.min(content.length - taken, BODY - own.length);
      const before = unit.stuffing === "behind" ? own.length : BODY - size;
      out[at] = SYNC;
      out[at + 1] = (i === 0 ? UNIT_START : 0) | (unit.pid >> 8);
      out[at + 2] = unit.pid;
      out[at + 3] = (before > 0 ? ADAPTATION : 0) | CONTENT | this.#next(unit.pid);
      // A length, then flags if there is room, then ones.
      if (before > 0) out[at + 4] = before - 1;
      if (before > 1) out[at + 5] = 0;
      if (own.length > 1) out.set(own.subarray(1), at + 5);
      out.set(content.subarray(taken, taken + size), at + 4 + before);
      taken += size;
    }
    return out;
  }

  #next(pid: number): number {
    const counter = this.#counters.get(pid) ?? 0;
    this.#counters.set(pid, (counter + 1) & 0x0f);
    return counter;
  }
}

/** The adaptation field of a unit's first packet, its length not yet filled in; empty: it needs none. */
function firstField(unit: TsUnit): Uint8Array {
  const flags = unit.randomAccess ? RANDOM_ACCESS : 0;
  if (unit.pcr === undefined) return flags === 0 ? NO_FIELD : Uint8Array.of(0, flags);
  const base = wrapped(unit.pcr);
  const high = Math.floor(base / 2);
  // 33 bits, six ones, an extension of nine bits that is zero.
  return Uint8Array.of(
    0,
    flags | HAS_PCR,
    high >>> 24,
    high >>> 16,
    high >>> 8,
    high,
    base % 2 === 1 ? 0xfe : 0x7e,
    0,
  );
}

/** The header of a PES packet that has only a presentation time, 90 kHz (section 2.4.3.6). */
export function pesHeader(streamId: number, size: number, pts: number): Uint8Array {
  // Behind the length: eight octets of header, then content. 0: longer than can be said; only video may.
  const length = 8 + size > 0xffff ? 0 : 8 + size;
  const t = wrapped(pts);
  const top = Math.floor(t / 2 ** 30);
  const middle = Math.floor(t / 2 ** 15) % 2 ** 15;
  const low = t % 2 ** 15;
  // The content begins with an access unit; there is a presentation time, five octets long, in three pieces.
  return Uint8Array.of(
    ...[0, 0, 1, streamId, length >> 8, length, 0x84, 0x80, 5],
    ...[0x21 | (top << 1), middle >> 7, (middle << 1) | 1, low >> 7, (low << 1) | 1],
  );
}

function wrapped(time: number): number {
  return ((time % CLOCK) + CLOCK) % CLOCK;
}
