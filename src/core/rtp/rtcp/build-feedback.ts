import { putU16, putU24, putU32 } from "../../bytes.ts";
import { rtcpPacket } from "./build.ts";
import { FeedbackFormat, REMB_ID, RtcpType } from "./packet.ts";

/** Keeps a NACK near 1 kB, so that its compound fits into one datagram. */
const MAX_NACK_PAIRS = 253;
const MAX_MANTISSA = 0x3ffff;
/** The largest 18-bit mantissa with the largest 6-bit exponent. */
const MAX_BITRATE = MAX_MANTISSA * 2 ** 63;

/**
 * Generic NACKs (RFC 4585 section 6.2.1) for sequence numbers of one stream; more than one packet when the
 * pairs do not fit. Extended numbers are packed in numerical order over the 16-bit wrap; plain 16-bit ones
 * cost a pair more there.
 */
export function buildNacks(sender: number, media: number, seqs: readonly number[]): Uint8Array[] {
  const sorted = [...seqs].sort((a, b) => a - b);
  const pairs: { pid: number; mask: number }[] = [];
  let pair: { pid: number; mask: number } | undefined;
  for (const seq of sorted) {
    const ahead = pair ? seq - pair.pid : 17;
    if (!pair || ahead > 16) {
      pair = { pid: seq, mask: 0 };
      pairs.push(pair);
    } else if (ahead > 0) pair.mask |= 1 << (ahead - 1);
  }
  const packets: Uint8Array[] = [];
  for (let i = 0; i < pairs.length; i += MAX_NACK_PAIRS) {
    const batch = pairs.slice(i, i + MAX_NACK_PAIRS);
    const b = feedback(RtcpType.rtpfb, FeedbackFormat.nack, sender, media, 4 * batch.length);
    for (const [k, p] of batch.entries()) {
      putU16(b, 12 + 4 * k, p.pid);
      putU16(b, 14 + 4 * k, p.mask);
    }
    packets.push(b);
  }
  return packets;
}

/** Picture loss indication (RFC 4585 section 6.3.1). */
export function buildPli(sender: number, media: number): Uint8Array {
  return feedback(RtcpType.psfb, FeedbackFormat.pli, sender, media, 0);
}

/** Full intra request (RFC 5104 section 4.3.1) for one stream; `seq` counts requests, not repetitions. */
export function buildFir(sender: number, media: number, seq: number): Uint8Array {
  // The media SSRC of the header is zero; the entry names the stream.
  const b = feedback(RtcpType.psfb, FeedbackFormat.fir, sender, 0, 8);
  putU32(b, 12, media);
  b[16] = seq;
  return b;
}

/** REMB for at most 255 streams; the bitrate is rounded down to 18 significant bits. */
export function buildRemb(sender: number, bitrate: number, ssrcs: readonly number[]): Uint8Array {
  const named = ssrcs.slice(0, 255);
  let mantissa = Math.floor(Math.min(Math.max(bitrate, 0), MAX_BITRATE));
  let exponent = 0;
  while (mantissa > MAX_MANTISSA) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  const b = feedback(RtcpType.psfb, FeedbackFormat.afb, sender, 0, 8 + 4 * named.length);
  putU32(b, 12, REMB_ID);
  b[16] = named.length;
  putU24(b, 17, (exponent << 18) | mantissa);
  for (const [k, ssrc] of named.entries()) putU32(b, 20 + 4 * k, ssrc);
  return b;
}

/** A feedback packet with both SSRCs filled in and room for its control information (RFC 4585 section 6.1). */
function feedback(type: number, format: number, sender: number, media: number, fci: number): Uint8Array {
  const b = rtcpPacket(type, format, 12 + fci);
  putU32(b, 4, sender);
  putU32(b, 8, media);
  return b;
}
