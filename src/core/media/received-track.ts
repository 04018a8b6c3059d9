import type { CodecName, Frame, MediaKind } from "../frame.ts";
import type { LedgerCounts } from "../rtp/sequence-ledger.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";
import type { Millis } from "../time.ts";
import type { ReceivedReport } from "./stream-counters.ts";
import type { TimelineModel } from "./timeline.ts";

/** A frame with its place on local time, before the session gives it its own. */
export type PlacedFrame = Omit<Frame, "time"> & {
  /** Local monotonic time of the moment the frame shows. */
  readonly local: Millis;
};

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
