import type { CodecName, Frame, MediaKind } from "../frame.ts";
import type { Reception } from "../rtp/reception.ts";
import type { LedgerCounts } from "../rtp/sequence-ledger.ts";
import type { Digit } from "../rtp/telephone-event.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";
import type { Millis } from "../time.ts";
import type { AssembledFrame, AssemblerStats } from "./assembled-frame.ts";
import type { ReceivedReport, StreamCounters } from "./stream-counters.ts";
import type { TimelineModel, TrackTimeline } from "./timeline.ts";

/** A frame with its place on local time, before the session gives it its own. */
export type PlacedFrame = Omit<Frame, "time"> & {
  /** Local monotonic time of the moment the frame shows. */
  readonly local: Millis;
  /** How loud the sender says it is, -dBov: 0 loudest, 127 silence (RFC 6464). Audio only. */
  readonly audioLevel?: number;
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A frame in its place, field by field: spreading costs more than everything else done for a packet. */
export function placedFrame(
  codec: CodecName,
  f: AssembledFrame,
  local: Millis,
  audioLevel?: number,
): PlacedFrame {
  const frame: Mutable<PlacedFrame> = {
    codec,
    data: f.data,
    keyframe: f.keyframe,
    local,
    rtpTime: f.rtpTime,
    lostBefore: f.lostBefore,
  };
  if (f.width !== undefined) frame.width = f.width;
  if (f.height !== undefined) frame.height = f.height;
  if (f.duration !== undefined) frame.duration = f.duration;
  if (f.config !== undefined) frame.config = f.config;
  if (f.rotation !== undefined) frame.rotation = f.rotation;
  if (audioLevel !== undefined) frame.audioLevel = audioLevel;
  return frame;
}

/** A key of a telephone that was pressed, with its place on local time. */
export type PlacedDigit = Digit & { readonly local: Millis };

/** Counters of one incoming SSRC. */
export type ReceivedTrack = {
  readonly mid: string;
  /** Simulcast: the layer, and whether the track shows it now. */
  readonly rid?: string;
  readonly selected?: boolean;
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly codec: CodecName;
  /** What its last packet was, as negotiated. */
  readonly format: NegotiatedPayload;
  /** Primary packets, duplicates included, and what RFC 3550 calls lost of them. */
  readonly packets: number;
  readonly lostBeforeRepair: number;
  readonly jitterMs: number;
  /** Payload octets, repairs included; octets of headers, extensions and padding. */
  readonly bytes: number;
  readonly headerBytes: number;
  /** What came as RTX; absent: nothing yet. */
  readonly rtx?: { readonly ssrc: number; readonly packets: number; readonly bytes: number };
  readonly lastPacket?: Millis;
  /** What became of every sequence number. */
  readonly ledger: LedgerCounts;
  /** The same as the frame assembler sees it. */
  readonly recovered: number;
  readonly lost: number;
  readonly duplicates: number;
  /** NACK packets sent, sequence numbers in them, keyframe requests, and how many of those were FIR. */
  readonly nackPackets: number;
  readonly nacks: number;
  readonly keyframeRequests: number;
  readonly firs: number;
  /** Frames passed on; whole ones that were not; those that never were whole. */
  readonly frames: number;
  readonly gatedFrames: number;
  readonly abandonedFrames: number;
  readonly keyframes: number;
  readonly multiPacketFrames: number;
  readonly freezes: { readonly count: number; readonly totalMs: number };
  /** Pixels of the last keyframe. */
  readonly width?: number;
  readonly height?: number;
  /** Newest audio level, -dBov: 0 loudest, 127 silence. */
  readonly audioLevel?: number;
  /** Sender reports place it; false: arrival times do. */
  readonly synchronized: boolean;
  readonly timelineRestarts: number;
  /** Times that the sender's clock was set. */
  readonly clockSteps: number;
  /** What places it now, and how well. */
  readonly timeline: TimelineModel;
  /** The newest sender report. */
  readonly report?: ReceivedReport;
};

/** What a stream's counters are read from. */
export type ReceivedTrackParts = {
  readonly stream: {
    readonly mid: string;
    readonly rid: string | undefined;
    readonly ssrc: number;
    readonly kind: MediaKind;
    readonly codec: CodecName;
    readonly payload: NegotiatedPayload;
    readonly reception: Reception;
  };
  readonly assembled: Readonly<AssemblerStats>;
  readonly counters: StreamCounters;
  readonly ledger: LedgerCounts;
  readonly timeline: TrackTimeline;
  readonly keyframeRequests: number;
};

/** The counters of a stream now. */
export function receivedTrack(p: ReceivedTrackParts): ReceivedTrack {
  const { stream, assembled: a, counters: c, ledger, timeline } = p;
  const { reception, rid } = stream;
  const { ssrc } = c.rtx;
  return {
    mid: stream.mid,
    ...(rid === undefined ? {} : { rid }),
    ssrc: stream.ssrc,
    kind: stream.kind,
    codec: stream.codec,
    format: stream.payload,
    packets: reception.received,
    lostBeforeRepair: reception.lost,
    jitterMs: reception.jitterMs,
    bytes: c.bytes,
    headerBytes: c.headerBytes,
    ...(ssrc === undefined ? {} : { rtx: { ...c.rtx, ssrc } }),
    ...(c.lastPacket === undefined ? {} : { lastPacket: c.lastPacket }),
    ledger,
    recovered: ledger.recovered,
    lost: a.lostPackets,
    duplicates: a.duplicatePackets,
    nackPackets: c.nackPackets,
    nacks: c.nacks,
    keyframeRequests: p.keyframeRequests,
    firs: c.firs,
    frames: a.frames,
    gatedFrames: a.gatedFrames,
    abandonedFrames: a.abandonedFrames,
    keyframes: a.keyframes,
    multiPacketFrames: c.multiPacketFrames,
    freezes: c.freezes,
    ...(c.width === undefined ? {} : { width: c.width }),
    ...(c.height === undefined ? {} : { height: c.height }),
    ...(c.audioLevel === undefined ? {} : { audioLevel: c.audioLevel }),
    synchronized: timeline.synchronized,
    timelineRestarts: timeline.restarts,
    clockSteps: timeline.clockSteps,
    timeline: timeline.model,
    ...(c.report ? { report: c.report } : {}),
  };
}
