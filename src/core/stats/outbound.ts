import type { MediaKind } from "../frame.ts";
import { defined } from "./defined.ts";
import { type CodecSnapshot, codecId, codecStats, type StatsScope, streamId, transportId } from "./scope.ts";
import type { AnyRtcStats, OutboundRtpStats, RemoteInboundRtpStats } from "./webrtc-stats.ts";

/** Counters of one outgoing stream: those of an `OutgoingTrack`, and what was agreed for it. */
export type OutboundSnapshot = {
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly mid?: string | undefined;
  readonly rid?: string | undefined;
  readonly rtxSsrc?: number | undefined;
  readonly format?: CodecSnapshot | undefined;
  /** Packets and payload octets, without retransmissions. */
  readonly packets: number;
  readonly octets: number;
  readonly retransmittedPackets: number;
  readonly retransmittedOctets: number;
  readonly frames: number;
  readonly keyframes: number;
  readonly nack: {
    readonly packets: number;
    readonly requested: number;
    readonly gone: number;
    readonly cooling: number;
    readonly refused: number;
  };
  readonly pliCount: number;
  readonly firCount: number;
  /** Bit/s. */
  readonly targetBps?: number | undefined;
  /** From the other side's reports; absent before the first one. */
  readonly rttMs?: number | undefined;
  readonly fractionLost?: number | undefined;
  readonly packetsLost?: number | undefined;
  readonly jitterMs?: number | undefined;
};

/** The objects about an outgoing stream: `outbound-rtp`, its codec, and `remote-inbound-rtp` after a report. */
export function outboundStats(s: StatsScope, t: OutboundSnapshot): AnyRtcStats[] {
  const remote = remoteInbound(s, t);
  const out: AnyRtcStats[] = [outboundRtp(s, t, remote?.id)];
  if (t.format) out.push(codecStats(s, t.kind, t.format));
  if (remote) out.push(remote);
  return out;
}

function outboundRtp(s: StatsScope, t: OutboundSnapshot, remoteId: string | undefined): OutboundRtpStats {
  const video = t.kind === "video";
  return defined({
    type: "outbound-rtp" as const,
    id: streamId(s, "outbound-rtp", t.ssrc),
    timestamp: s.at as number,
    ssrc: t.ssrc,
    kind: t.kind,
    transportId: transportId(s),
    codecId: t.format && codecId(s, t.format),
    mid: t.mid,
    rid: t.rid,
    remoteId,
    packetsSent: t.packets + t.retransmittedPackets,
    bytesSent: t.octets + t.retransmittedOctets,
    retransmittedPacketsSent: t.retransmittedPackets,
    retransmittedBytesSent: t.retransmittedOctets,
    rtxSsrc: t.rtxSsrc,
    targetBitrate: t.targetBps,
    framesSent: video ? t.frames : undefined,
    nackCount: t.nack.packets,
    pliCount: video ? t.pliCount : undefined,
    firCount: video ? t.firCount : undefined,
    roomtap: defined({
      keyframesSent: video ? t.keyframes : undefined,
      nackedPackets: t.nack.requested,
      nackedGone: t.nack.gone,
      nackedCooling: t.nack.cooling,
      nackedRefused: t.nack.refused,
    }),
  });
}

function remoteInbound(s: StatsScope, t: OutboundSnapshot): RemoteInboundRtpStats | undefined {
  if (t.packetsLost === undefined) return undefined;
  return defined({
    type: "remote-inbound-rtp" as const,
    id: streamId(s, "remote-inbound-rtp", t.ssrc),
    timestamp: s.at as number,
    ssrc: t.ssrc,
    kind: t.kind,
    transportId: transportId(s),
    codecId: t.format && codecId(s, t.format),
    localId: streamId(s, "outbound-rtp", t.ssrc),
    packetsLost: t.packetsLost,
    jitter: (t.jitterMs ?? 0) / 1000,
    fractionLost: t.fractionLost ?? 0,
    roundTripTime: t.rttMs === undefined ? undefined : t.rttMs / 1000,
  });
}
