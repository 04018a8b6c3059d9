import type { MediaKind } from "../frame.ts";
import type { LedgerCounts } from "../rtp/sequence-ledger.ts";
import { type Ntp, ntpToWall, type WallMillis } from "../time.ts";
import { defined } from "./defined.ts";
import { type CodecSnapshot, codecId, codecStats, type StatsScope, streamId, transportId } from "./scope.ts";
import type { AnyRtcStats, InboundRtpStats, RemoteOutboundRtpStats, TimelineStats } from "./webrtc-stats.ts";

/** Counters of one incoming SSRC. Optional ones: not known, or not there. */
export type InboundSnapshot = {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly mid: string;
  readonly rid?: string | undefined;
  /** Id of the track it belongs to. */
  readonly track?: string | undefined;
  /** Payload type of its packets; absent: no codec object is made. */
  readonly format?: CodecSnapshot | undefined;
  /** Primary packets, duplicates included, and what RFC 3550 calls lost of them. */
  readonly packets: number;
  readonly lostBeforeRepair: number;
  readonly jitterMs: number;
  /** Payload octets of everything that was accepted, repairs included. */
  readonly bytes: number;
  /** Octets of headers, extensions and padding. */
  readonly headerBytes: number;
  /** The RTX stream that repairs it, and what came on it. */
  readonly rtx?: { readonly ssrc: number; readonly packets: number; readonly bytes: number } | undefined;
  /** Unix milliseconds. */
  readonly lastPacketAt?: WallMillis | undefined;
  /** NACK packets sent, and the sequence numbers in them. */
  readonly nackPackets: number;
  readonly nacks: number;
  /** Keyframe requests sent, and how many of them as FIR. */
  readonly keyframeRequests: number;
  readonly firs: number;
  /** Frames passed on; whole frames that were not; frames that never were whole. */
  readonly frames: number;
  readonly gatedFrames: number;
  readonly abandonedFrames: number;
  readonly keyframes: number;
  readonly multiPacketFrames: number;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly framesPerSecond?: number | undefined;
  readonly freezes: { readonly count: number; readonly totalMs: number };
  /** Newest level of the audio-level extension, -dBov (RFC 6464): 0 loudest, 127 silence. */
  readonly audioLevel?: number | undefined;
  /** What became of every sequence number. */
  readonly ledger: LedgerCounts;
  readonly synchronized: boolean;
  readonly timelineRestarts: number;
  /** Times that the sender's clock was set. */
  readonly clockSteps?: number | undefined;
  readonly timeline?: TimelineStats | undefined;
  readonly jitterP95Ms?: number | undefined;
  /** What its sender says; absent before the first sender report. */
  readonly report?: SenderReportSnapshot | undefined;
};

/** The newest sender report of an incoming stream. */
export type SenderReportSnapshot = {
  readonly packets: number;
  readonly octets: number;
  readonly ntp: Ntp;
  /** When it arrived. */
  readonly receivedAt: WallMillis;
  /** Reports that arrived so far, copies not counted. */
  readonly count: number;
  /** Round trip to its sender in milliseconds. */
  readonly rttMs?: number | undefined;
};

/** The objects about an incoming stream: `inbound-rtp`, its codec, and `remote-outbound-rtp` after a report. */
export function inboundStats(s: StatsScope, t: InboundSnapshot): AnyRtcStats[] {
  const out: AnyRtcStats[] = [inboundRtp(s, t)];
  if (t.format) out.push(codecStats(s, t.kind, t.format));
  if (t.report) out.push(remoteOutbound(s, t, t.report));
  return out;
}

function inboundRtp(s: StatsScope, t: InboundSnapshot): InboundRtpStats {
  const video = t.kind === "video";
  return defined({
    type: "inbound-rtp" as const,
    id: streamId(s, "inbound-rtp", t.ssrc),
    timestamp: s.at as number,
    ssrc: t.ssrc,
    kind: t.kind,
    transportId: transportId(s),
    codecId: t.format && codecId(s, t.format),
    trackIdentifier: t.track,
    mid: t.mid,
    rid: t.rid,
    remoteId: t.report && streamId(s, "remote-outbound-rtp", t.ssrc),
    packetsReceived: t.packets + (t.rtx?.packets ?? 0),
    packetsLost: t.lostBeforeRepair,
    jitter: t.jitterMs / 1000,
    bytesReceived: t.bytes,
    headerBytesReceived: t.headerBytes,
    retransmittedPacketsReceived: t.rtx?.packets,
    retransmittedBytesReceived: t.rtx?.bytes,
    rtxSsrc: t.rtx?.ssrc,
    lastPacketReceivedTimestamp: t.lastPacketAt as number | undefined,
    nackCount: t.nackPackets,
    pliCount: video ? t.keyframeRequests - t.firs : undefined,
    firCount: video ? t.firs : undefined,
    framesReceived: video ? t.frames + t.gatedFrames : undefined,
    framesDropped: video ? t.gatedFrames : undefined,
    framesAssembledFromMultiplePackets: video ? t.multiPacketFrames : undefined,
    frameWidth: video ? t.width : undefined,
    frameHeight: video ? t.height : undefined,
    framesPerSecond: video ? t.framesPerSecond : undefined,
    freezeCount: video ? t.freezes.count : undefined,
    totalFreezesDuration: video ? t.freezes.totalMs / 1000 : undefined,
    audioLevel: !video && t.audioLevel !== undefined ? linearLevel(t.audioLevel) : undefined,
    roomtap: defined({
      ...t.ledger,
      nackedPackets: t.nacks,
      keyframes: video ? t.keyframes : undefined,
      framesAbandoned: t.abandonedFrames,
      synchronized: t.synchronized,
      timelineRestarts: t.timelineRestarts,
      clockSteps: t.clockSteps,
      timeline: t.timeline,
      jitterP95: t.jitterP95Ms === undefined ? undefined : t.jitterP95Ms / 1000,
    }),
  });
}

function remoteOutbound(s: StatsScope, t: InboundSnapshot, r: SenderReportSnapshot): RemoteOutboundRtpStats {
  return defined({
    type: "remote-outbound-rtp" as const,
    id: streamId(s, "remote-outbound-rtp", t.ssrc),
    // Statistics of the other side carry the time their report arrived.
    timestamp: r.receivedAt as number,
    ssrc: t.ssrc,
    kind: t.kind,
    transportId: transportId(s),
    codecId: t.format && codecId(s, t.format),
    localId: streamId(s, "inbound-rtp", t.ssrc),
    packetsSent: r.packets,
    bytesSent: r.octets,
    remoteTimestamp: ntpToWall(r.ntp) as number,
    reportsSent: r.count,
    roundTripTime: r.rttMs === undefined ? undefined : r.rttMs / 1000,
  });
}

/** Linear level of -dBov; 127 says silence, however low that is. */
function linearLevel(level: number): number {
  return level >= 127 ? 0 : 10 ** (-level / 20);
}
