import { ascii, u8, u24, u32 } from "../../bytes.ts";
import type { Bye, ReceiverReport, ReportBlock, SenderReport, SourceDescription } from "./packet.ts";

/** Octets of a report block. */
const BLOCK = 24;
const SENDER_INFO = 24;
const CNAME = 1;

/** Body of an SR at [at, end) (RFC 3550 section 6.4.1). Profile-specific extensions behind it are skipped. */
export function parseSenderReport(
  b: Uint8Array,
  at: number,
  end: number,
  count: number,
): SenderReport | undefined {
  if (at + SENDER_INFO + count * BLOCK > end) return undefined;
  return {
    type: "sr",
    ssrc: u32(b, at),
    ntp: { seconds: u32(b, at + 4), fraction: u32(b, at + 8) },
    rtpTime: u32(b, at + 12),
    packets: u32(b, at + 16),
    octets: u32(b, at + 20),
    reports: parseBlocks(b, at + SENDER_INFO, count),
  };
}

/** Body of an RR (RFC 3550 section 6.4.2). */
export function parseReceiverReport(
  b: Uint8Array,
  at: number,
  end: number,
  count: number,
): ReceiverReport | undefined {
  if (at + 4 + count * BLOCK > end) return undefined;
  return { type: "rr", ssrc: u32(b, at), reports: parseBlocks(b, at + 4, count) };
}

function parseBlocks(b: Uint8Array, at: number, count: number): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  for (let i = at; i < at + count * BLOCK; i += BLOCK) {
    blocks.push({
      ssrc: u32(b, i),
      fractionLost: u8(b, i + 4),
      cumulativeLost: (u24(b, i + 5) << 8) >> 8,
      highestSeq: u32(b, i + 8),
      jitter: u32(b, i + 12),
      lastSr: u32(b, i + 16),
      delaySinceLastSr: u32(b, i + 20),
    });
  }
  return blocks;
}

/**
 * Body of an SDES (RFC 3550 section 6.5). Each chunk ends on a zero item, padded to 32 bits; a last chunk
 * that lacks it is taken all the same.
 */
export function parseSdes(
  b: Uint8Array,
  at: number,
  end: number,
  count: number,
): SourceDescription | undefined {
  const chunks: { ssrc: number; cname?: string }[] = [];
  let i = at;
  for (let k = 0; k < count; k++) {
    const start = i;
    if (i + 4 > end) return undefined;
    const chunk: { ssrc: number; cname?: string } = { ssrc: u32(b, i) };
    i += 4;
    while (i < end && u8(b, i) !== 0) {
      const next = i + 2 + u8(b, i + 1);
      if (i + 2 > end || next > end) return undefined;
      if (u8(b, i) === CNAME) chunk.cname = ascii(b, i + 2, next);
      i = next;
    }
    if (i < end) i = start + ((i + 1 - start + 3) & ~3);
    chunks.push(chunk);
  }
  return { type: "sdes", chunks };
}

/** Body of a BYE (RFC 3550 section 6.6), with or without a reason. */
export function parseBye(b: Uint8Array, at: number, end: number, count: number): Bye | undefined {
  const reasonAt = at + 4 * count;
  if (reasonAt > end) return undefined;
  const ssrcs: number[] = [];
  for (let i = at; i < reasonAt; i += 4) ssrcs.push(u32(b, i));
  if (reasonAt === end) return { type: "bye", ssrcs };
  const reasonEnd = reasonAt + 1 + u8(b, reasonAt);
  return reasonEnd > end ? undefined : { type: "bye", ssrcs, reason: ascii(b, reasonAt + 1, reasonEnd) };
}
