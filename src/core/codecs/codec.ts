import type { CodecName, MediaKind } from "../frame.ts";

/**
 * What one packet's payload means to frame assembly. Never holds the payload, so instances may be shared
 * between packets.
 */
export type PayloadInfo = {
  /** The first packet of a frame, as far as the payload can tell. */
  readonly start: boolean;
  /** The last packet of a frame by its payload alone; the RTP marker says it otherwise. */
  readonly end: boolean;
  /** The packet starts a frame that is a keyframe or makes it one (H.264: an IDR NAL unit is inside). */
  readonly keyframe: boolean;
  /** No later frame refers to this one (VP8 N bit, H.264 nal_ref_idc 0): it may be lost without harm. */
  readonly discardable: boolean;
  /** Picture or sound data is inside; false: only parameter sets, SEI, filler and the like. */
  readonly media: boolean;
  /** Temporal layer and base-layer index where the codec signals them (VP8 TID, TL0PICIDX). */
  readonly temporalId?: number | undefined;
  readonly tl0PicIdx?: number | undefined;
  /** The frame refers only to the base layer (VP8 Y bit): an upper layer may be entered here. */
  readonly layerSync?: boolean | undefined;
  /** Later frames of higher temporal layers refer to none of those layers before this frame (VP9 U bit). */
  readonly switchUp?: boolean | undefined;
  /** Frame counter of the sender and the bits it wraps at, 7 or 15. A hint for continuity, never for order. */
  readonly pictureId?: number | undefined;
  readonly pictureIdBits?: number | undefined;
};

/** Result of joining the payloads of one complete frame. */
export type JoinedFrame = {
  readonly data: Uint8Array;
  readonly keyframe: boolean;
  /**
   * Not a keyframe, but decoding can begin here and gives whole pictures after a while (H.264 and H.265 recovery
   * point); what a decoder needs to know before is inside.
   */
  readonly recovery?: boolean;
  /** Pixels; present on video keyframes and recovery points whose size could be read. */
  readonly width?: number;
  readonly height?: number;
  /** Microseconds, where the bitstream says it (audio). */
  readonly duration?: number;
  /** See `Frame.config`. */
  readonly config?: Uint8Array;
};

/** Receiving side of a codec for one track. Instances may keep state (parameter sets) and are never shared. */
export interface Depacketizer {
  /** Looks at one payload without keeping it; undefined when it is malformed or not of this codec. */
  inspect(payload: Uint8Array): PayloadInfo | undefined;
  /**
   * Joins the payloads of one complete frame, each accepted by `inspect`, in sequence order. undefined when
   * nothing decodable is inside (for example only parameter sets, which are remembered).
   */
  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined;
}

/** One packet of a frame: its payload and its marker bit. */
export type PayloadChunk = { readonly payload: Uint8Array; readonly marker: boolean };

/** Sending side of a codec for one stream. Keeps picture ids and the like. */
export interface Packetizer {
  /** Splits one frame into payloads of at most `maxPayload` bytes (at least 16), in order. */
  packetize(frame: Uint8Array, o: { keyframe: boolean; maxPayload: number }): PayloadChunk[];
}

/** Everything the rest of the program knows about a codec. */
export type Codec = {
  readonly name: CodecName;
  readonly kind: MediaKind;
  /** RTP payload name as it stands in a=rtpmap, compared without case. */
  readonly rtpName: string;
  readonly clockRate: number;
  /** Channels in a=rtpmap; audio only. */
  readonly channels?: number;
  /**
   * What the RTP marker is worth. `end`: it ends a frame. `hint`: senders are known to set it on every NAL
   * unit, so a frame ends for sure only where the timestamp changes.
   */
  readonly marker: "end" | "hint";
  /** Receiving side for one track; `fmtp` is the value of the a=fmtp line, without the payload type. */
  depacketizer(fmtp?: string): Depacketizer;
  /** Sending side for one stream; `fmtp` is that of the payload type as the other side described it. */
  packetizer(fmtp?: string): Packetizer;
};
