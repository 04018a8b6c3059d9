import type { Ntp } from "../../time.ts";

/** RTCP packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2). */
export const RtcpType = { sr: 200, rr: 201, sdes: 202, bye: 203, rtpfb: 205, psfb: 206, xr: 207 } as const;

/** Feedback message types: transport layer (RTPFB) and payload specific (PSFB). */
export const FeedbackFormat = { nack: 1, transportCc: 15, pli: 1, fir: 4, afb: 15 } as const;

/** "REMB" as a 32-bit number: the unique identifier of that application-layer feedback. */
export const REMB_ID = 0x52454d42;

/** Report block types of extended reports (RFC 3611 sections 4.4 and 4.5). */
export const XrBlock = { rrtr: 4, dlrr: 5 } as const;

/** A reception report block (RFC 3550 section 6.4.1). */
export type ReportBlock = {
  /** The stream reported on. */
  readonly ssrc: number;
  /** Share lost since the last report, in 1/256. */
  readonly fractionLost: number;
  /** Signed 24 bits; duplicates make it negative. */
  readonly cumulativeLost: number;
  /** Cycles in the high, newest sequence number in the low 16 bits. */
  readonly highestSeq: number;
  /** RTP timestamp units. */
  readonly jitter: number;
  /** Middle 32 bits of the last sender report's NTP time; 0: none yet. */
  readonly lastSr: number;
  /** 1/65536 s between that report's arrival and this block. */
  readonly delaySinceLastSr: number;
};

/** Sender report: `rtpTime` is what the stream's clock shows at `ntp`. */
export type SenderReport = {
  readonly type: "sr";
  readonly ssrc: number;
  readonly ntp: Ntp;
  readonly rtpTime: number;
  readonly packets: number;
  readonly octets: number;
  readonly reports: readonly ReportBlock[];
};

/** Receiver report (RFC 3550 section 6.4.2). */
/** Receiver report; `ssrc` is its sender's. */
export type ReceiverReport = {
  readonly type: "rr";
  readonly ssrc: number;
  readonly reports: readonly ReportBlock[];
};

/** Source description; items other than CNAME are left out. Text is Latin-1. */
export type SourceDescription = {
  readonly type: "sdes";
  readonly chunks: readonly { readonly ssrc: number; readonly cname?: string }[];
};

/** End of participation (RFC 3550 section 6.6): the streams that stop, and why if said. */
/** Goodbye: these SSRCs have stopped sending. The reason is Latin-1. */
export type Bye = { readonly type: "bye"; readonly ssrcs: readonly number[]; readonly reason?: string };

/** Generic NACK (RFC 4585 section 6.2.1), 16-bit numbers in the order of the packet. */
export type Nack = {
  readonly type: "nack";
  readonly sender: number;
  readonly media: number;
  readonly seqs: readonly number[];
};

/** Picture loss indication (RFC 4585 section 6.3.1). */
export type Pli = { readonly type: "pli"; readonly sender: number; readonly media: number };

/** Full intra request (RFC 5104 section 4.3.1): the same 8-bit `seq` again repeats the same request. */
export type Fir = {
  readonly type: "fir";
  readonly sender: number;
  readonly entries: readonly { readonly ssrc: number; readonly seq: number }[];
};

/** Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03), in bits per second. */
export type Remb = {
  readonly type: "remb";
  readonly sender: number;
  readonly bitrate: number;
  readonly ssrcs: readonly number[];
};

/** Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01). */
export type TransportFeedback = {
  readonly type: "twcc";
  readonly sender: number;
  readonly media: number;
  /** First 16-bit sequence number covered, and how many are covered. */
  readonly baseSeq: number;
  readonly count: number;
  /** 8-bit counter of feedback packets. */
  readonly feedbackCount: number;
  /** Those that arrived, by sequence number; milliseconds on the reporter's clock (wraps at 2^24 * 64 ms). */
  readonly arrivals: readonly { readonly seq: number; readonly ms: number }[];
};

/** Echo of a receiver reference time: `lastRr` its middle 32 bits, `delay` in 1/65536 s. */
export type DlrrItem = { readonly ssrc: number; readonly lastRr: number; readonly delay: number };

/** Extended report (RFC 3611) with the two blocks that measure round trips. */
export type ExtendedReport = {
  readonly type: "xr";
  readonly sender: number;
  /** Receiver reference time. */
  readonly rrtr?: Ntp;
  readonly dlrr: readonly DlrrItem[];
};

/** An RTCP packet that Roomtap understands. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Bye
  | Nack
  | Pli
  | Fir
  | Remb
  | TransportFeedback
  | ExtendedReport;
