import type { RtpView } from "../rtp/packet.ts";
import type { SenderReport } from "../rtp/rtcp/packet.ts";
import type { Millis, Ntp } from "../time.ts";
import type { AssembledFrame } from "./assembled-frame.ts";
import { FreezeMeter } from "./freeze-meter.ts";

/** The newest sender report of an incoming stream. */
export type ReceivedReport = {
  readonly packets: number;
  readonly octets: number;
  readonly ntp: Ntp;
  readonly receivedAt: Millis;
  /** Reports that arrived so far, copies not counted. */
  readonly count: number;
};

/** What is counted of one incoming SSRC besides its sequence numbers and frames. */
export class StreamCounters {
  /** Payload octets of everything accepted, repairs included; octets of headers, extensions and padding. */
  bytes = 0;
  headerBytes = 0;
  /** What came as RTX: packets and payload octets. */
  readonly rtx = { ssrc: undefined as number | undefined, packets: 0, bytes: 0 };
  /** NACK packets sent, and sequence numbers in them. */
  nackPackets = 0;
  nacks = 0;
  firs = 0;
  multiPacketFrames = 0;
  /** Pixels of the last keyframe. */
  width: number | undefined;
  height: number | undefined;
  /** Newest level of the audio-level extension, -dBov: 0 loudest, 127 silence (RFC 6464). */
  audioLevel: number | undefined;
  lastPacket: Millis | undefined;
  report: ReceivedReport | undefined;
  readonly #freezes = new FreezeMeter();

  get freezes(): { readonly count: number; readonly totalMs: number } {
    return this.#freezes.freezes;
  }

  /** An accepted packet. */
  onPacket(v: RtpView, now: Millis): void {
    this.lastPacket = now;
    this.bytes += v.payloadEnd - v.payloadOffset;
    this.headerBytes += v.payloadOffset + v.padding;
  }

  /** A retransmission on `ssrc`, needed or not. */
  onRtx(v: RtpView, ssrc: number): void {
    this.rtx.ssrc = ssrc;
    this.rtx.packets++;
    this.rtx.bytes += v.payloadEnd - v.payloadOffset;
  }

  /** A frame that is complete, and so are all before it. */
  onFrame(f: AssembledFrame, now: Millis): void {
    this.#freezes.onFrame(now);
    if (f.lastSeq > f.firstSeq) this.multiPacketFrames++;
    this.width = f.width ?? this.width;
    this.height = f.height ?? this.height;
  }

  onReport(r: SenderReport, now: Millis): void {
    const last = this.report;
    if (last && last.ntp.seconds === r.ntp.seconds && last.ntp.fraction === r.ntp.fraction) return;
    const count = (last?.count ?? 0) + 1;
    this.report = { packets: r.packets, octets: r.octets, ntp: r.ntp, receivedAt: now, count };
  }
}
