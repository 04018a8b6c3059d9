import { u8, u16, u24, u32 } from "../../bytes.ts";
import type { TransportFeedback } from "./packet.ts";

/** Both SSRCs, base, count, reference time, feedback count. */
const HEAD = 16;
/** Reference time unit and delta unit in milliseconds. */
const REFERENCE_MS = 64;
const DELTA_MS = 0.25;
/** Packet status symbols (section 3.1.1); 3 is reserved. */
const NOT_RECEIVED = 0;
const SMALL = 1;
const LARGE = 2;

/**
 * Body of transport-wide feedback at [at, end). The result is bounded by the packet's size, whatever count
 * it claims: a lost packet costs no entry and each arrival costs at least one octet.
 */
export function parseTransportFeedback(
  b: Uint8Array,
  at: number,
  end: number,
): TransportFeedback | undefined {
  if (at + HEAD > end) return undefined;
  const baseSeq = u16(b, at + 8);
  const count = u16(b, at + 10);
  const arrivals: { seq: number; ms: number }[] = [];
  let ms = ((u24(b, at + 12) << 8) >> 8) * REFERENCE_MS;

  let delta = deltasAt(b, at + HEAD, end, count);
  if (delta < 0) return undefined;
  let chunk = at + HEAD;
  for (let covered = 0; covered < count; chunk += 2) {
    const n = Math.min(chunkLength(b, chunk), count - covered);
    const run = isRun(b, chunk);
    if (!run || symbolAt(b, chunk, 0) !== NOT_RECEIVED) {
      for (let k = 0; k < n; k++) {
        const symbol = symbolAt(b, chunk, k);
        if (symbol === NOT_RECEIVED) continue;
        if (symbol > LARGE || delta + symbol > end) return undefined;
        ms += DELTA_MS * (symbol === SMALL ? u8(b, delta) : (u16(b, delta) << 16) >> 16);
        delta += symbol;
        arrivals.push({ seq: (baseSeq + covered + k) & 0xffff, ms });
      }
    }
    covered += n;
  }
  const sender = u32(b, at);
  const media = u32(b, at + 4);
  return { type: "twcc", sender, media, baseSeq, count, feedbackCount: u8(b, at + 15), arrivals };
}

/** Where the deltas begin: after the chunks that cover `count` packets; -1 when those do not fit. */
function deltasAt(b: Uint8Array, at: number, end: number, count: number): number {
  let i = at;
  for (let covered = 0; covered < count; i += 2) {
    if (i + 2 > end) return -1;
    const n = chunkLength(b, i);
    if (n === 0) return -1;
    covered += n;
  }
  return i;
}

/** Run-length chunks have the top bit clear (section 3.1.3). */
function isRun(b: Uint8Array, i: number): boolean {
  return u8(b, i) < 0x80;
}

/** Packets that the chunk at `i` covers: a run of up to 8191, or a vector of 14 one-bit or 7 two-bit symbols. */
function chunkLength(b: Uint8Array, i: number): number {
  if (isRun(b, i)) return u16(b, i) & 0x1fff;
  return u8(b, i) & 0x40 ? 7 : 14;
}

/** Symbol `k` of the chunk at `i`. */
function symbolAt(b: Uint8Array, i: number, k: number): number {
  const v = u16(b, i);
  if (v < 0x8000) return (v >> 13) & 3;
  return v & 0x4000 ? (v >> (12 - 2 * k)) & 3 : (v >> (13 - k)) & 1;
}
