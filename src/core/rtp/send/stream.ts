import { putU16 } from "../../bytes.ts";
import { type Random, randomInt } from "../../random.ts";
import type { Millis } from "../../time.ts";
import { buildRtp } from "../packet.ts";
import type { SendHeader } from "./header.ts";
import { SendHistory, type SentPacket } from "./history.ts";

/** What an outgoing stream is made of. */
export type SendStreamOptions = {
  readonly ssrc: number;
  readonly payloadType: number;
  /** RTP clock in Hz. */
  readonly clockRate: number;
  readonly header: SendHeader;
  /** Local time of media time 0. Sender reports extrapolate from it. */
  readonly start: Millis;
  /** Retransmission stream (RFC 4588); absent: packets are repeated as they were. */
  readonly rtx?: { readonly ssrc: number; readonly payloadType: number } | undefined;
  readonly random: Random;
};

/** One packet's worth of a frame. */
export type OutgoingPayload = {
  readonly payload: Uint8Array;
  readonly marker: boolean;
  /** Media time in microseconds; 0 is the start of the stream. */
  readonly mediaTimeUs: number;
  /** Name the stream (MID, RID) even after it was acknowledged: packets of video keyframes. */
  readonly identify: boolean;
  /** -dBov, 0..127 (RFC 6464); absent: not known, and not sent. */
  readonly audioLevel?: number | undefined;
};

/** What a stream has sent so far. Octets are payload only (RFC 3550 section 6.4.1). */
export type SendCounters = {
  packets: number;
  octets: number;
  retransmittedPackets: number;
  retransmittedOctets: number;
};

/**
 * One outgoing RTP stream: numbers packets, stamps media time, keeps what was sent for retransmission and
 * counts. Sequence numbers start below 2^15, so that losing the first packets cannot leave the receiver one
 * SRTP roll-over behind (RFC 3711 section 3.3.1).
 */
export class RtpSendStream {
  readonly ssrc: number;
  readonly rtxSsrc: number | undefined;
  readonly clockRate: number;
  readonly header: SendHeader;
  readonly history = new SendHistory();
  readonly counters: SendCounters = {
    packets: 0,
    octets: 0,
    retransmittedPackets: 0,
    retransmittedOctets: 0,
  };
  readonly #payloadType: number;
  readonly #rtx: { ssrc: number; payloadType: number; seq: number } | undefined;
  readonly #timestampOffset: number;
  readonly #start: Millis;
  #seq: number;
  #acknowledged = false;

  constructor(o: SendStreamOptions) {
    this.ssrc = o.ssrc;
    this.rtxSsrc = o.rtx?.ssrc;
    this.clockRate = o.clockRate;
    this.header = o.header;
    this.#start = o.start;
    this.#payloadType = o.payloadType;
    this.#seq = randomInt(o.random, 0x8000);
    this.#timestampOffset = randomInt(o.random, 0x1_0000_0000);
    this.#rtx = o.rtx && { ...o.rtx, seq: randomInt(o.random, 0x8000) };
  }

  /** RTP timestamp of a media time in microseconds. */
  timestampOf(mediaTimeUs: number): number {
    const ticks = Math.round((mediaTimeUs * this.clockRate) / 1e6);
    return ((ticks % 0x1_0000_0000) + this.#timestampOffset) >>> 0;
  }

  /** RTP timestamp that media captured at the local time `now` would carry. */
  timestampAt(now: Millis): number {
    return this.timestampOf((now - this.#start) * 1000);
  }

  /** A receiver reported on this SSRC: it knows the stream, so MID and RID no longer go on every packet. */
  acknowledge(): void {
    this.#acknowledged = true;
  }

  /** Builds the next packet. Call `sent` when it goes to the network, in the same order. */
  packet(p: OutgoingPayload): SentPacket {
    const seq = this.#seq;
    this.#seq = (seq + 1) & 0xffff;
    const timestamp = this.timestampOf(p.mediaTimeUs);
    const bytes = buildRtp({
      payloadType: this.#payloadType,
      marker: p.marker,
      seq,
      timestamp,
      ssrc: this.ssrc,
      payload: p.payload,
      extensions: this.header.media(p.identify || !this.#acknowledged, p.audioLevel),
    });
    const payloadOffset = bytes.length - p.payload.length;
    return {
      bytes,
      seq,
      timestamp,
      marker: p.marker,
      payloadOffset,
      sentAt: 0 as Millis,
      resentAt: undefined,
    };
  }

  /** Counts a packet that goes out now and keeps it for retransmission. */
  sent(p: SentPacket, now: Millis): void {
    p.sentAt = now;
    this.history.put(p);
    this.counters.packets++;
    this.counters.octets += p.bytes.length - p.payloadOffset;
  }

  /**
   * A new packet that repeats `p`: on the RTX stream with the original sequence number before the payload
   * (RFC 4588 section 4), or, without one, the same packet again.
   */
  repeat(p: SentPacket): Uint8Array {
    const payload = p.bytes.subarray(p.payloadOffset);
    this.counters.retransmittedPackets++;
    this.counters.retransmittedOctets += payload.length;
    const rtx = this.#rtx;
    if (!rtx) return p.bytes.slice();
    const repaired = new Uint8Array(2 + payload.length);
    putU16(repaired, 0, p.seq);
    repaired.set(payload, 2);
    const seq = rtx.seq;
    rtx.seq = (seq + 1) & 0xffff;
    return buildRtp({
      payloadType: rtx.payloadType,
      marker: p.marker,
      seq,
      timestamp: p.timestamp,
      ssrc: rtx.ssrc,
      payload: repaired,
      extensions: this.header.repair,
    });
  }
}
