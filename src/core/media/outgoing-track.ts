import type { Codec, Packetizer } from "../codecs/codec.ts";
import type { CodecName, MediaKind } from "../frame.ts";
import type { Random } from "../random.ts";
import { type SendExtensionIds, SendHeader } from "../rtp/send/header.ts";
import type { SentPacket } from "../rtp/send/history.ts";
import { KeyframeRequests } from "../rtp/send/keyframe-requests.ts";
import { type NackCounters, NackResponder } from "../rtp/send/nack-responder.ts";
import { RemoteView } from "../rtp/send/remote-view.ts";
import { RtpSendStream } from "../rtp/send/stream.ts";
import type { Millis } from "../time.ts";
import type { DueSample } from "./sample-source.ts";

/** One outgoing track as negotiated. */
export type OutgoingTrackOptions = {
  readonly codec: Codec;
  readonly ssrc: number;
  readonly payloadType: number;
  /** Of the payload type, as the other side described it. */
  readonly fmtp?: string | undefined;
  readonly rtx?: { readonly ssrc: number; readonly payloadType: number } | undefined;
  readonly mid?: string | undefined;
  readonly rid?: string | undefined;
  readonly extensions: SendExtensionIds;
};

/** Counters of one outgoing track, since the start. */
export type OutgoingTrackStats = {
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly rtxSsrc: number | undefined;
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  readonly format: { readonly payloadType: number; readonly codec: CodecName; readonly clockRate: number };
  readonly packets: number;
  /** Payload octets, without retransmissions. */
  readonly octets: number;
  /** Frames handed to the network completely. */
  readonly frames: number;
  readonly keyframes: number;
  readonly retransmittedPackets: number;
  readonly retransmittedOctets: number;
  readonly nack: Readonly<NackCounters>;
  readonly pliCount: number;
  readonly firCount: number;
  /** From the other side's reports; absent before the first one. */
  readonly rttMs: number | undefined;
  readonly fractionLost: number | undefined;
  readonly packetsLost: number | undefined;
  readonly jitterMs: number | undefined;
};

/** A media packet on its way, with the frame it completes. */
export type FramePacket = { readonly packet: SentPacket; readonly completes: DueSample | undefined };

/** The state of one outgoing track: its stream, its packetizer and what the other side says about it. */
export class OutgoingTrack {
  readonly stream: RtpSendStream;
  readonly kind: MediaKind;
  readonly nack: NackResponder;
  readonly keyframeRequests = new KeyframeRequests();
  readonly remote: RemoteView;
  readonly #o: OutgoingTrackOptions;
  readonly #packetizer: Packetizer;
  readonly #maxPayload: number;
  /** "waiting": active again, and to go on with a keyframe. */
  #state: "paused" | "waiting" | "sending" = "sending";
  #frames = 0;
  #keyframes = 0;

  /**
   * `maxPacket`: octets of the largest RTP packet, headers and RTX prefix included. `start`: local time of
   * media time 0.
   */
  constructor(o: OutgoingTrackOptions, maxPacket: number, start: Millis, random: Random) {
    this.#o = o;
    const header = new SendHeader(o.extensions, { mid: o.mid, rid: o.rid });
    this.stream = new RtpSendStream({
      ssrc: o.ssrc,
      payloadType: o.payloadType,
      clockRate: o.codec.clockRate,
      header,
      start,
      rtx: o.rtx,
      random,
    });
    this.kind = o.codec.kind;
    this.nack = new NackResponder(this.stream);
    this.remote = new RemoteView(o.codec.clockRate);
    this.#packetizer = o.codec.packetizer(o.fmtp);
    this.#maxPayload = maxPacket - header.overhead;
  }

  /** Frames are sent. After a pause they begin with a keyframe. */
  get active(): boolean {
    return this.#state !== "paused";
  }
  set active(active: boolean) {
    if (active === this.active) return;
    this.#state = active ? "waiting" : "paused";
  }

  /** This frame is to be sent. */
  takes(due: DueSample): boolean {
    if (this.#state === "waiting" && due.keyframe) this.#state = "sending";
    return this.#state === "sending";
  }

  /** The packets of one frame, in order. */
  packetize(due: DueSample, frame: Uint8Array): FramePacket[] {
    const chunks = this.#packetizer.packetize(frame, {
      keyframe: due.keyframe,
      maxPayload: this.#maxPayload,
    });
    return chunks.map((chunk, i) => ({
      packet: this.stream.packet({
        payload: chunk.payload,
        // Audio: the first packet after silence (RFC 3551 section 4.1).
        marker: chunk.marker || (this.kind === "audio" && due.resumed),
        mediaTimeUs: due.mediaTimeUs,
        identify: this.kind === "video" && due.keyframe,
        audioLevel: due.audioLevel,
      }),
      completes: i === chunks.length - 1 ? due : undefined,
    }));
  }

  /** Counts a frame whose last packet has left. */
  frameSent(frame: DueSample): void {
    this.#frames++;
    if (this.kind === "video" && frame.keyframe) this.#keyframes++;
  }

  /** A snapshot of the counters. */
  stats(): OutgoingTrackStats {
    const { payloadType, codec, mid, rid } = this.#o;
    return {
      kind: this.kind,
      ssrc: this.stream.ssrc,
      rtxSsrc: this.stream.rtxSsrc,
      mid,
      rid,
      format: { payloadType, codec: codec.name, clockRate: codec.clockRate },
      ...this.stream.counters,
      frames: this.#frames,
      keyframes: this.#keyframes,
      nack: { ...this.nack.counters },
      pliCount: this.keyframeRequests.pliCount,
      firCount: this.keyframeRequests.firCount,
      rttMs: this.remote.rttMs,
      fractionLost: this.remote.fractionLost,
      packetsLost: this.remote.packetsLost,
      jitterMs: this.remote.jitterMs,
    };
  }
}
