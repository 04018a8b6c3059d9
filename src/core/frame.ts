import type { Micros } from "./time.ts";

/** Codecs Roomtap knows by name. Lower case, as in RTP payload names where one exists. */
export type CodecName =
  | "opus"
  | "vp8"
  | "vp9"
  | "h264"
  | "h265"
  | "av1"
  | "pcmu"
  | "pcma"
  | "g722"
  | "multiopus";

/** Audio or video. */
export type MediaKind = "audio" | "video";

/** Clockwise rotation in degrees, from the CVO header extension (3GPP TS 26.114 section 7.4.5). */
export type Rotation = 0 | 90 | 180 | 270;

/** A complete, decodable unit of one track: Opus packet, VP8 frame, H.264 access unit (Annex B), ... */
export type Frame = {
  readonly codec: CodecName;
  /** The bitstream. H.264: 4-byte start codes before every NAL unit. */
  readonly data: Uint8Array;
  /** Decodable without earlier frames. Audio: always true. */
  readonly keyframe: boolean;
  /** Position on the session timeline. */
  readonly time: Micros;
  /** Unwrapped RTP timestamp in ticks of the codec clock. */
  readonly rtpTime: number;
  /** Packets known to be missing since the previous frame. */
  readonly lostBefore: number;
  /** Picture size in pixels; on video keyframes only. */
  readonly width?: number;
  readonly height?: number;
  /** Length in microseconds, where the bitstream says it (audio). */
  readonly duration?: number;
  /** What a decoder must be told first, where the signalling says it and not the bitstream: OpusHead of multiopus. */
  readonly config?: Uint8Array;
  /** Rotation to apply when showing; absent: 0. */
  readonly rotation?: Rotation;
};

/** What a media track shows or carries. */
export type TrackSource = "camera" | "microphone" | "screen" | "screen-audio" | "unknown";

/** A logical track: one sender's camera, microphone or screen, stable over SSRC changes and reconnects. */
export type TrackInfo = {
  readonly id: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly codec: CodecName;
  /** RTP clock in Hz. */
  readonly clockRate: number;
  /** Audio channels as declared; absent for video. */
  readonly channels?: number;
};
