import { u8, u16 } from "../bytes.ts";

/** Octets of a header with another one behind it, and of the last. */
const BLOCK_HEADER = 4;
const LAST_HEADER = 1;
/** More blocks in one packet than this make no sense. */
const MAX_BLOCKS = 16;

/** One block of a redundant packet (RFC 2198 section 3). */
export type RedBlock = {
  readonly payloadType: number;
  /** Ticks that it is older than the packet's timestamp; 0 for the primary one. */
  readonly offset: number;
  /** Where it stands in the payload. */
  readonly from: number;
  readonly to: number;
};

/**
 * The blocks of a RED payload: the redundant ones in the order of the packet, which is the order of time, and the
 * primary one last. A payload that ends within its redundant blocks keeps those that are whole; undefined when not
 * even the headers are.
 */
export function parseRed(b: Uint8Array): RedBlock[] | undefined {
  const heads: { payloadType: number; offset: number; length: number }[] = [];
  let at = 0;
  for (;;) {
    if (at + LAST_HEADER > b.length) return undefined;
    const payloadType = u8(b, at) & 0x7f;
    if (u8(b, at) < 0x80) {
      heads.push({ payloadType, offset: 0, length: -1 });
      at += LAST_HEADER;
      break;
    }
    if (at + BLOCK_HEADER > b.length || heads.length >= MAX_BLOCKS) return undefined;
    const word = (u8(b, at + 1) << 16) | u16(b, at + 2);
    heads.push({ payloadType, offset: word >> 10, length: word & 0x3ff });
    at += BLOCK_HEADER;
  }
  const out: RedBlock[] = [];
  for (const { payloadType, offset, length } of heads) {
    const to = length < 0 ? b.length : at + length;
    if (to > b.length) break;
    out.push({ payloadType, offset, from: at, to });
    at = to;
  }
  return out;
}

/** A redundant block that can be put in the place of a packet that was lost. */
export type RedRecovery = {
  /** How many packets before the one that carries it. */
  readonly back: number;
  /** How many ticks before. */
  readonly offset: number;
  readonly payload: Uint8Array;
};

/**
 * The packets before, as far as a RED payload repeats them: those blocks of `payloadType` that are older by a whole
 * number of packets of `ticks` each, which tells their sequence numbers. Nearest first.
 */
export function redundantPackets(
  b: Uint8Array,
  blocks: readonly RedBlock[],
  payloadType: number,
  ticks: number,
): RedRecovery[] {
  const out: RedRecovery[] = [];
  for (const block of blocks) {
    const { offset, from, to } = block;
    if (
      block.payloadType !== payloadType ||
      offset === 0 ||
      from === to ||
      ticks <= 0 ||
      offset % ticks !== 0
    )
      continue;
    out.unshift({ back: offset / ticks, offset, payload: b.subarray(from, to) });
  }
  return out;
}

/** Builds a RED payload: redundant blocks, oldest first (at most 1023 octets and 16383 ticks each), and the primary. */
export function buildRed(
  payloadType: number,
  primary: Uint8Array,
  redundant: readonly { readonly offset: number; readonly payload: Uint8Array }[],
): Uint8Array {
  const head: number[] = [];
  for (const { offset, payload } of redundant) {
    const word = (offset << 10) | payload.length;
    head.push(0x80 | payloadType, (word >> 16) & 0xff, (word >> 8) & 0xff, word & 0xff);
  }
  head.push(payloadType);
  const size = head.length + redundant.reduce((n, r) => n + r.payload.length, 0) + primary.length;
  const out = new Uint8Array(size);
  out.set(head);
  let at = head.length;
  for (const { payload } of redundant) {
    out.set(payload, at);
    at += payload.length;
  }
  out.set(primary, at);
  return out;
}
