import { u8, u16 } from "../../bytes.ts";
import { FeedbackFormat, type RtcpPacket, RtcpType } from "./packet.ts";
import { parseFir, parseNack, parsePli, parseRemb } from "./parse-feedback.ts";
import { parseBye, parseReceiverReport, parseSdes, parseSenderReport } from "./parse-report.ts";
import { parseXr } from "./parse-xr.ts";
import { parseTransportFeedback } from "./twcc-parse.ts";

/** Result of `parseRtcp`. */
export type RtcpParse = {
  /** What was understood, in order. APP and unknown packets are left out. */
  readonly packets: readonly RtcpPacket[];
  /** Packets that were malformed; after a broken length the rest of the compound counts as one. */
  readonly malformed: number;
};

const MIN_HEADER = 4;

/**
 * Parses a compound RTCP packet (RFC 3550 section 6.1), reduced-size ones (RFC 5506) included. Every packet
 * is read within its own length only, and a malformed one does not hide the others.
 */
export function parseRtcp(b: Uint8Array): RtcpParse {
  const packets: RtcpPacket[] = [];
  let malformed = 0;
  let at = 0;
  while (at < b.length) {
    const next = at + 4 * (u16(b, at + 2) + 1);
    if (at + MIN_HEADER > b.length || u8(b, at) >> 6 !== 2 || next > b.length) {
      malformed++;
      break;
    }
    // Padding belongs on the last packet only (section 6.4.1); elsewhere it is honoured all the same.
    const padding = u8(b, at) & 0x20 ? u8(b, next - 1) : 0;
    const end = next - padding;
    if ((u8(b, at) & 0x20 && padding === 0) || end < at + MIN_HEADER) malformed++;
    else {
      const p = parseOne(b, at, end);
      if (p === "malformed") malformed++;
      else if (p) packets.push(p);
    }
    at = next;
  }
  return { packets, malformed };
}

/** The packet at [at, end): undefined when it is of a kind we do not read. */
function parseOne(b: Uint8Array, at: number, end: number): RtcpPacket | "malformed" | undefined {
  const count = u8(b, at) & 0x1f;
  const body = at + MIN_HEADER;
  switch (u8(b, at + 1)) {
    case RtcpType.sr:
      return parseSenderReport(b, body, end, count) ?? "malformed";
    case RtcpType.rr:
      return parseReceiverReport(b, body, end, count) ?? "malformed";
    case RtcpType.sdes:
      return parseSdes(b, body, end, count) ?? "malformed";
    case RtcpType.bye:
      return parseBye(b, body, end, count) ?? "malformed";
    case RtcpType.xr:
      return parseXr(b, body, end) ?? "malformed";
    case RtcpType.rtpfb:
      if (count === FeedbackFormat.nack) return parseNack(b, body, end) ?? "malformed";
      if (count === FeedbackFormat.transportCc) return parseTransportFeedback(b, body, end) ?? "malformed";
      return undefined;
    case RtcpType.psfb:
      if (count === FeedbackFormat.pli) return parsePli(b, body, end) ?? "malformed";
      if (count === FeedbackFormat.fir) return parseFir(b, body, end) ?? "malformed";
      return count === FeedbackFormat.afb ? parseRemb(b, body, end) : undefined;
    default:
      return undefined;
  }
}
