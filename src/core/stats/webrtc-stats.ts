import type { MediaKind } from "../frame.ts";
import type { LedgerCounts } from "../rtp/sequence-ledger.ts";

/**
 * Statistics under the names, units and identifiers of W3C "Identifiers for WebRTC's Statistics API": times of
 * day in Unix milliseconds, durations in seconds. A field that Roomtap cannot know (it does not decode) is
 * absent, never zero. What the W3C has no name for stands in `roomtap`.
 */

/** What every object has. */
export type RtcStats = {
  /** Unique in its report, the same in every report about the same thing. */
  readonly id: string;
  readonly timestamp: number;
};

/** RTCRtpStreamStats. */
export type RtpStreamStats = RtcStats & {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly transportId?: string;
  readonly codecId?: string;
};

/** What places a stream on the session's time: capture times, sender reports, or arrival alone. */
export type TimelineStats = {
  readonly by: "capture" | "reports" | "arrival";
  /** By how much the sender's media clock is fast against its wall clock, parts per million. */
  readonly driftPpm?: number;
  /** How far the sender's times lie off the line through them, milliseconds: the median. */
  readonly residualMs?: number;
  /** Milliseconds to add to the sender's wall clock to get ours (monotonic). */
  readonly offsetMs?: number;
  /** By how much this stream's own offset differs from the one that the sender's streams share. */
  readonly spreadMs?: number;
};

/** Our own counters of one incoming stream, with what became of every sequence number. */
export type RoomtapInboundStats = LedgerCounts & {
  /** Sequence numbers asked for again, repetitions included. */
  readonly nackedPackets: number;
  /** Keyframes received; `keyFramesDecoded` would be a decoder's. */
  readonly keyframes?: number;
  /** Frames given up because a packet stayed missing: they were never complete. */
  readonly framesAbandoned: number;
  /** Sender reports place the stream in time; false: arrival times do. */
  readonly synchronized: boolean;
  readonly timelineRestarts: number;
  readonly clockSteps?: number;
  readonly timeline?: TimelineStats;
  /** Seconds that 95 % of the measurements of `jitter` stayed below. */
  readonly jitterP95?: number;
};

/** RTCInboundRtpStreamStats with RTCReceivedRtpStreamStats. */
export type InboundRtpStats = RtpStreamStats & {
  readonly type: "inbound-rtp";
  readonly trackIdentifier?: string;
  readonly mid: string;
  readonly rid?: string;
  readonly remoteId?: string;
  /** Retransmissions and duplicates included. */
  readonly packetsReceived: number;
  /** Before repair, as in reception reports (RFC 3550 section 6.4.1): duplicates make it negative. */
  readonly packetsLost: number;
  readonly jitter: number;
  /** Payload octets; retransmissions included. */
  readonly bytesReceived: number;
  readonly headerBytesReceived: number;
  readonly retransmittedPacketsReceived?: number;
  readonly retransmittedBytesReceived?: number;
  readonly rtxSsrc?: number;
  readonly lastPacketReceivedTimestamp?: number;
  readonly nackCount: number;
  readonly pliCount?: number;
  readonly firCount?: number;
  /** Complete frames, whether they passed on or not. */
  readonly framesReceived?: number;
  /** Complete frames that were not passed on, because they may refer to a lost one. */
  readonly framesDropped?: number;
  readonly framesAssembledFromMultiplePackets?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly framesPerSecond?: number;
  readonly freezeCount?: number;
  readonly totalFreezesDuration?: number;
  /** Linear, 0..1. */
  readonly audioLevel?: number;
  readonly roomtap: RoomtapInboundStats;
};

/** RTCRemoteOutboundRtpStreamStats: what the other side's sender reports say of a stream we receive. */
export type RemoteOutboundRtpStats = RtpStreamStats & {
  readonly type: "remote-outbound-rtp";
  readonly localId: string;
  readonly packetsSent: number;
  readonly bytesSent: number;
  /** NTP time of the last report, as Unix milliseconds of the other side's clock. */
  readonly remoteTimestamp: number;
  readonly reportsSent: number;
  readonly roundTripTime?: number;
};

/** RTCOutboundRtpStreamStats with RTCSentRtpStreamStats. */
export type OutboundRtpStats = RtpStreamStats & {
  readonly type: "outbound-rtp";
  readonly mid?: string;
  readonly rid?: string;
  readonly remoteId?: string;
  /** Retransmissions included, as in `bytesSent`. */
  readonly packetsSent: number;
  /** Payload octets. */
  readonly bytesSent: number;
  readonly retransmittedPacketsSent: number;
  readonly retransmittedBytesSent: number;
  readonly rtxSsrc?: number;
  readonly targetBitrate?: number;
  readonly framesSent?: number;
  readonly nackCount: number;
  readonly pliCount?: number;
  readonly firCount?: number;
  readonly roomtap: {
    readonly keyframesSent?: number;
    /** Sequence numbers asked for again, and why some were not repeated; see `NackCounters`. */
    readonly nackedPackets: number;
    readonly nackedGone: number;
    readonly nackedCooling: number;
    readonly nackedRefused: number;
  };
};

/** RTCRemoteInboundRtpStreamStats: what the other side reports of a stream we send. */
export type RemoteInboundRtpStats = RtpStreamStats & {
  readonly type: "remote-inbound-rtp";
  readonly localId: string;
  readonly packetsLost: number;
  readonly jitter: number;
  readonly fractionLost: number;
  readonly roundTripTime?: number;
};

/** RTCCodecStats. */
export type CodecStats = RtcStats & {
  readonly type: "codec";
  readonly payloadType: number;
  readonly transportId: string;
  /** Like `video/VP8`. */
  readonly mimeType: string;
  readonly clockRate?: number;
  readonly channels?: number;
  readonly sdpFmtpLine?: string;
};

/** RTCTransportStats. */
export type TransportStats = RtcStats & {
  readonly type: "transport";
  readonly packetsSent?: number;
  readonly packetsReceived?: number;
  readonly bytesSent?: number;
  readonly bytesReceived?: number;
  readonly selectedCandidatePairId?: string;
  /** The link's round trip as reference times measure it (RFC 3611 section 4.5), and what was sent as REMB. */
  readonly roomtap: { readonly roundTripTime?: number; readonly maxBitrateStated?: number };
};

/** RTCIceCandidatePairStats: the pair in use. */
export type CandidatePairStats = RtcStats & {
  readonly type: "candidate-pair";
  readonly transportId: string;
  readonly localCandidateId: string;
  readonly remoteCandidateId: string;
  readonly state: "succeeded";
  readonly nominated: true;
  /** Bit/s, from the other side's REMB. */
  readonly availableOutgoingBitrate?: number;
};

/** RTCIceCandidateStats. */
export type CandidateStats = RtcStats & {
  readonly type: "local-candidate" | "remote-candidate";
  readonly transportId: string;
  readonly candidateType: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** How we talk to the TURN server: `udp`, `tcp` or `tls`. */
  readonly relayProtocol?: string;
};

/** One object of a report; `type` tells which. */
export type AnyRtcStats =
  | InboundRtpStats
  | RemoteOutboundRtpStats
  | OutboundRtpStats
  | RemoteInboundRtpStats
  | CodecStats
  | TransportStats
  | CandidatePairStats
  | CandidateStats;

/** Objects by id, like RTCStatsReport, ready for JSON. */
export type StatsReport = Readonly<Record<string, AnyRtcStats>>;

/** Puts objects under their ids. Of two with one id the later stays. */
export function statsReport(objects: readonly AnyRtcStats[]): StatsReport {
  return Object.fromEntries(objects.map((o) => [o.id, o]));
}
