import { asciiBytes, concat, putU16, putU24, putU32 } from "../../bytes.ts";
import type { Ntp } from "../../time.ts";
import { type DlrrItem, type ReportBlock, RtcpType, type SenderReport, XrBlock } from "./packet.ts";

/** Five bits of count in the header. */
const MAX_COUNT = 31;
const BLOCK = 24;
const CNAME = 1;

/** One RTCP packet of `octets` (a multiple of 4, header included) with its header filled in. */
export function rtcpPacket(type: number, count: number, octets: number): Uint8Array {
  const b = new Uint8Array(octets);
  b[0] = 0x80 | count;
  b[1] = type;
  putU16(b, 2, octets / 4 - 1);
  return b;
}

/** Puts packets into one datagram. The first should be an SR or RR (RFC 3550 section 6.1). */
export function compound(parts: readonly Uint8Array[]): Uint8Array {
  return concat(parts);
}

/** Sender report (RFC 3550 section 6.4.1) with at most 31 report blocks; further ones go into RRs. */
export function buildSenderReport(r: Omit<SenderReport, "type">): Uint8Array {
  const blocks = r.reports.slice(0, MAX_COUNT);
  const b = rtcpPacket(RtcpType.sr, blocks.length, 28 + BLOCK * blocks.length);
  putU32(b, 4, r.ssrc);
  putU32(b, 8, r.ntp.seconds);
  putU32(b, 12, r.ntp.fraction);
  putU32(b, 16, r.rtpTime);
  putU32(b, 20, r.packets);
  putU32(b, 24, r.octets);
  putBlocks(b, 28, blocks);
  const rest = r.reports.slice(MAX_COUNT);
  return rest.length === 0 ? b : concat([b, buildReceiverReport(r.ssrc, rest)]);
}

/** Receiver report (RFC 3550 section 6.4.2): one packet per 31 blocks, at least one. */
export function buildReceiverReport(ssrc: number, reports: readonly ReportBlock[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i === 0 || i < reports.length; i += MAX_COUNT) {
    const blocks = reports.slice(i, i + MAX_COUNT);
    const b = rtcpPacket(RtcpType.rr, blocks.length, 8 + BLOCK * blocks.length);
    putU32(b, 4, ssrc);
    putBlocks(b, 8, blocks);
    parts.push(b);
  }
  return concat(parts);
}

function putBlocks(b: Uint8Array, at: number, blocks: readonly ReportBlock[]): void {
  let i = at;
  for (const r of blocks) {
    putU32(b, i, r.ssrc);
    b[i + 4] = r.fractionLost;
    putU24(b, i + 5, r.cumulativeLost);
    putU32(b, i + 8, r.highestSeq);
    putU32(b, i + 12, r.jitter);
    putU32(b, i + 16, r.lastSr);
    putU32(b, i + 20, r.delaySinceLastSr);
    i += BLOCK;
  }
}

/** Source description with one CNAME (RFC 3550 section 6.5.1), cut to 255 Latin-1 characters. */
export function buildSdes(ssrc: number, cname: string): Uint8Array {
  const text = asciiBytes(cname.slice(0, 255));
  // At least one zero octet ends the chunk.
  const b = rtcpPacket(RtcpType.sdes, 1, (8 + 2 + text.length + 1 + 3) & ~3);
  putU32(b, 4, ssrc);
  b[8] = CNAME;
  b[9] = text.length;
  b.set(text, 10);
  return b;
}

/** Goodbye for at most 31 SSRCs (RFC 3550 section 6.6). */
export function buildBye(ssrcs: readonly number[], reason?: string): Uint8Array {
  const gone = ssrcs.slice(0, MAX_COUNT);
  const text = reason === undefined ? undefined : asciiBytes(reason.slice(0, 255));
  const head = 4 + 4 * gone.length;
  const b = rtcpPacket(RtcpType.bye, gone.length, head + (text ? (1 + text.length + 3) & ~3 : 0));
  for (const [i, ssrc] of gone.entries()) putU32(b, 4 + 4 * i, ssrc);
  if (text) {
    b[head] = text.length;
    b.set(text, head + 1);
  }
  return b;
}

/** Extended report with a receiver reference time (RFC 3611 section 4.4). */
export function buildReferenceTime(sender: number, ntp: Ntp): Uint8Array {
  const b = rtcpPacket(RtcpType.xr, 0, 20);
  putU32(b, 4, sender);
  b[8] = XrBlock.rrtr;
  putU16(b, 10, 2);
  putU32(b, 12, ntp.seconds);
  putU32(b, 16, ntp.fraction);
  return b;
}

/** Extended report that answers reference times (DLRR, RFC 3611 section 4.5). */
export function buildDlrr(sender: number, items: readonly DlrrItem[]): Uint8Array {
  const b = rtcpPacket(RtcpType.xr, 0, 12 + 12 * items.length);
  putU32(b, 4, sender);
  b[8] = XrBlock.dlrr;
  putU16(b, 10, 3 * items.length);
  for (const [k, item] of items.entries()) {
    putU32(b, 12 + 12 * k, item.ssrc);
    putU32(b, 16 + 12 * k, item.lastRr);
    putU32(b, 20 + 12 * k, item.delay);
  }
  return b;
}
