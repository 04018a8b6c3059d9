import type { Codec, JoinedFrame } from "../codecs/codec.ts";
import type { Rotation } from "../frame.ts";
import { type Millis, millis } from "../time.ts";
import type { FrameDraft } from "./packet-ring.ts";

/** One received RTP packet of a track, in its own sequence space. */
export type MediaPacket = {
  /** Unwrapped sequence number. */
  readonly extSeq: number;
  /** Unwrapped timestamp in ticks of the codec clock. */
  readonly rtpTime: number;
  readonly marker: boolean;
  /** Without padding; empty for a padding-only packet. Kept until its frame is out. */
  readonly payload: Uint8Array;
  readonly arrival: Millis;
  readonly rotation?: Rotation | undefined;
};

/** A complete frame, in order, before it has a place on the session timeline. */
export type AssembledFrame = JoinedFrame & {
  readonly rtpTime: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Packets missing since the previous frame that came out. */
  readonly lostBefore: number;
  /** Arrival of the packet of this frame that came first. */
  readonly arrival: Millis;
  /** No later frame refers to it. */
  readonly discardable: boolean;
  /** Rotation to apply, as last signalled. */
  readonly rotation?: Rotation;
};

/** Why a keyframe is needed. */
export type KeyframeReason = "first-frame" | "loss" | "parameter-sets" | "overflow" | "layer" | "recorder";

/** How frames are assembled. */
export type AssemblerOptions = {
  readonly codec: Codec;
  /** The a=fmtp value of the payload type. */
  readonly fmtp?: string;
  /** How long a missing packet is waited for. Default 1000 (video), 400 (audio). */
  readonly holdMs?: number;
  /** What happens to frames that may refer to a lost one: dropped until a keyframe (default), or kept. */
  readonly onLoss?: "gate" | "keep";
  /** How long a frame waits behind a marker that is only a hint; 0 for low latency. Default 10. */
  readonly markerGraceMs?: number;
};

/** What happened to packets and frames so far. */
export type AssemblerStats = {
  /** Frames that came out, and how many of them were keyframes. */
  frames: number;
  keyframes: number;
  /** Frames given up because a packet stayed missing. A gap between two whole frames counts as one. */
  abandonedFrames: number;
  /** Whole frames dropped because they may refer to a lost one, or before the first keyframe. */
  gatedFrames: number;
  lostPackets: number;
  latePackets: number;
  duplicatePackets: number;
  malformedPackets: number;
};

/** All counters at zero. */
export function emptyAssemblerStats(): AssemblerStats {
  return {
    frames: 0,
    keyframes: 0,
    abandonedFrames: 0,
    gatedFrames: 0,
    lostPackets: 0,
    latePackets: 0,
    duplicatePackets: 0,
    malformedPackets: 0,
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Puts a frame together, field by field: spreading costs more than everything else done for a packet. */
export function assembledFrame(
  joined: JoinedFrame,
  draft: FrameDraft,
  rtpTime: number,
  firstSeq: number,
  lastSeq: number,
  lostBefore: number,
  rotation: Rotation | undefined,
): AssembledFrame {
  const frame: Mutable<AssembledFrame> = {
    data: joined.data,
    keyframe: joined.keyframe,
    rtpTime,
    firstSeq,
    lastSeq,
    lostBefore,
    arrival: millis(draft.arrival),
    discardable: draft.discardable,
  };
  if (joined.width !== undefined) frame.width = joined.width;
  if (joined.height !== undefined) frame.height = joined.height;
  if (joined.duration !== undefined) frame.duration = joined.duration;
  if (joined.config !== undefined) frame.config = joined.config;
  if (rotation !== undefined) frame.rotation = rotation;
  return frame;
}
