import type { FaultCounter } from "../fault.ts";
import type { CodecName, MediaKind } from "../frame.ts";
import { earliest } from "../machine.ts";
import type { PacketExtensions } from "../rtp/extension-map.ts";
import { NackGenerator } from "../rtp/nack.ts";
import { firstSource, payloadOf, type RtpView } from "../rtp/packet.ts";
import { Reception } from "../rtp/reception.ts";
import { parseRed, redundantPackets } from "../rtp/red.ts";
import type { SenderReport } from "../rtp/rtcp/packet.ts";
import type { RttEstimator } from "../rtp/rtt.ts";
import { SequenceLedger } from "../rtp/sequence-ledger.ts";
import { TelephoneEvents } from "../rtp/telephone-event.ts";
import { TimestampGuard } from "../rtp/timestamp-guard.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";
import { seqDiff, tsDiff } from "../serial.ts";
import { type Millis, millis, ntpToWall } from "../time.ts";
import type { KeyframeReason, MediaPacket } from "./assembled-frame.ts";
import { KeyframePolicy } from "./keyframe-policy.ts";
import { type MediaRole, type PayloadRole, payloadRole } from "./payload-role.ts";
import {
  type PlacedDigit,
  type PlacedFrame,
  placedFrame,
  type ReceivedTrack,
  receivedTrack,
} from "./received-track.ts";
import { type CodedFrame, StreamAssembler } from "./stream-assembler.ts";
import { StreamCounters } from "./stream-counters.ts";
import type { SenderTimeline, TrackTimeline } from "./timeline.ts";

/** What a stream wants done. */
export type StreamOutput =
  | { readonly t: "frame"; readonly frame: PlacedFrame }
  | { readonly t: "nack"; readonly seqs: readonly number[] }
  | { readonly t: "keyframe"; readonly reason: KeyframeReason }
  | { readonly t: "digit"; readonly digit: PlacedDigit };

/** Frames wait this long for the first sender report, to start in sync; what waits is lost when the process dies. */
const START_HOLD_MS = 700;
/** A session that renegotiates for ever does not grow this. */
const MAX_ROLES = 64;
const NOTHING = new Uint8Array(0);

/** Options of a stream. */
export type StreamOptions = {
  readonly ssrc: number;
  readonly mid: string;
  /** Simulcast layer. */
  readonly rid?: string | undefined;
  readonly kind: MediaKind;
  readonly payload: NegotiatedPayload;
  /** All payload types of the m-line. */
  readonly payloads: ReadonlyMap<number, NegotiatedPayload>;
  readonly sender: SenderTimeline;
  readonly rtt: RttEstimator;
  readonly faults: FaultCounter;
};

/**
 * Everything about one incoming SSRC: unwrapping, statistics, repair, frame assembly and time. Packets in;
 * frames in order, requests for repair and for keyframes out.
 */
export class IncomingStream {
  readonly ssrc: number;
  readonly mid: string;
  readonly rid: string | undefined;
  readonly kind: MediaKind;
  readonly reception: Reception;
  /** A layer that nobody looks at now: no keyframe is asked of it. */
  standby = false;
  readonly #counters = new StreamCounters();
  readonly #nack: NackGenerator | undefined;
  readonly #rtt: RttEstimator;
  readonly #faults: FaultCounter;
  readonly #assembler: StreamAssembler;
  readonly #clockRate: number;
  /** Roles of payload types, by what was negotiated of them. */
  readonly #roles = new Map<NegotiatedPayload, PayloadRole | undefined>();
  readonly #payloads: ReadonlyMap<number, NegotiatedPayload>;
  #digits: TelephoneEvents | undefined;
  #pressed: PlacedDigit[] = [];
  /** Ticks of the last packet of sound: RED repeats such packets. */
  #packetTicks = 0;
  #payload: NegotiatedPayload;
  #role: PayloadRole | undefined;
  readonly #ledger = new SequenceLedger();
  readonly #policy = new KeyframePolicy();
  readonly #timestamps: TimestampGuard;
  readonly #timeline: TrackTimeline;
  readonly #held: CodedFrame[] = [];
  #holdUntil: Millis | undefined;
  #started = false;
  /** Newest extended number and unwrapped timestamp of this epoch. */
  #newest = -1;
  #newestTime = 0;
  #epoch = 0;
  #tsEpoch = 0;
  #frames: PlacedFrame[] = [];

  constructor(o: StreamOptions, media: MediaRole) {
    this.ssrc = o.ssrc;
    this.mid = o.mid;
    this.rid = o.rid;
    this.kind = o.kind;
    this.#rtt = o.rtt;
    this.#faults = o.faults;
    this.reception = new Reception(o.ssrc, o.payload.clockRate);
    this.#timestamps = new TimestampGuard(o.payload.clockRate);
    this.#nack = o.payload.feedback.includes("nack") ? new NackGenerator({ rtt: o.rtt }) : undefined;
    this.#assembler = new StreamAssembler(media.codec, media.fmtp);
    this.#clockRate = o.payload.clockRate;
    this.#payloads = o.payloads;
    this.#payload = o.payload;
    this.#role = media;
    this.#timeline = o.sender.track(o.payload.clockRate);
  }

  /** A stream for a negotiated payload; undefined when its codec is not one of ours. */
  static create(o: StreamOptions): IncomingStream | undefined {
    const role = payloadRole(o.payload, o.payloads);
    return role && "codec" in role ? new IncomingStream(o, role) : undefined;
  }

  get codec(): CodecName {
    return this.#assembler.codec.name;
  }

  /** When the last packet came; undefined: none yet. */
  get lastPacket(): Millis | undefined {
    return this.#counters.lastPacket;
  }

  /** What the last packet was, as negotiated. */
  get payload(): NegotiatedPayload {
    return this.#payload;
  }

  /** False: packets of `payload` need another clock, so they are another stream. */
  accepts(payload: NegotiatedPayload): boolean {
    if (payload === this.#payload) return true;
    const role = this.#roleOf(payload);
    return !role || !("codec" in role) || payload.clockRate === this.#clockRate;
  }

  get deadline(): Millis | undefined {
    const policy = this.standby ? undefined : this.#policy.deadline;
    const machines = earliest(earliest(this.#nack?.deadline, this.#assembler.deadline), policy);
    return this.#frames.length + this.#pressed.length > 0 ? millis(0) : earliest(machines, this.#holdUntil);
  }

  /**
   * A packet of this SSRC, what its payload type is, and its header extensions. `rtx`: the SSRC that it came on,
   * when it is a retransmission.
   */
  packet(
    v: RtpView,
    payload: NegotiatedPayload,
    x: PacketExtensions,
    rtx: number | undefined,
    now: Millis,
  ): void {
    if (payload !== this.#payload) {
      this.#payload = payload;
      this.#role = this.#roleOf(payload);
    }
    const recovered = rtx !== undefined;
    if (recovered) this.#counters.onRtx(v, rtx);
    const extSeq = recovered ? this.#recover(v.seq, now) : this.reception.push(v.seq, v.timestamp, now);
    if (extSeq === undefined) return;
    this.#counters.onPacket(v, now);
    if (x.audioLevel !== undefined) this.#counters.audioLevel = x.audioLevel;
    if (this.reception.epoch !== this.#epoch) this.#restart(now);
    if (!recovered) {
      this.#ledger.onPacket(extSeq);
      this.#nack?.push(extSeq, now);
    }
    const rtpTime = this.#timestamps.accept(v.timestamp, now);
    if (rtpTime === undefined) {
      this.#faults.count("timestamp-outlier");
      return;
    }
    if (this.#timestamps.epoch !== this.#tsEpoch) {
      this.#tsEpoch = this.#timestamps.epoch;
      // What waits for a report is of the old clock.
      if (this.#held.length > 0) this.#start();
      this.#timeline.restart();
    }
    const newest = extSeq > this.#newest;
    if (newest) this.#newest = extSeq;
    this.#newestTime = Math.max(this.#newestTime, rtpTime);
    const empty = v.payloadEnd === v.payloadOffset;
    if (newest && !recovered && !empty) this.#timeline.onPacket(rtpTime, now);
    if (x.captureTime) this.#timeline.onCaptureTime(x.captureTime, firstSource(v), rtpTime, now);
    this.#assemblePacket(
      { extSeq, rtpTime, marker: v.marker, payload: payloadOf(v), arrival: now, rotation: x.rotation },
      newest,
      now,
    );
    this.#policy.onPacket(this.#assembler.keyframePacketAt === now, now);
    this.#assemble(now);
  }

  /** A sender report of this SSRC. */
  onReport(r: SenderReport, now: Millis): void {
    const { ntp, rtpTime } = r;
    this.reception.onSenderReport(ntp, now);
    this.#counters.onReport(r, now);
    if (ntp.seconds === 0 && ntp.fraction === 0) return;
    if (this.#newest < 0) return;
    const unwrapped = this.#newestTime + tsDiff(rtpTime, (this.#newestTime % 0x1_0000_0000) | 0);
    this.#timeline.onReport(ntpToWall(ntp), unwrapped, now);
    this.#release(now);
  }

  /** Asks for a keyframe, as often as is polite. */
  requestKeyframe(reason: KeyframeReason, now: Millis): void {
    if (this.kind !== "video") return;
    // Requests that nobody needed while the layer was not shown have no say in when this one goes out.
    if (reason === "layer") this.#policy.onKeyframe();
    this.#policy.push(reason, now);
  }

  /** The event loop stood still: clocks that wait for packets stop for that time. */
  onStall(lagMs: number): void {
    this.#nack?.onStall(lagMs);
  }

  poll(now: Millis): StreamOutput | undefined {
    this.#assembler.setRoundTrip(this.#rtt.ms);
    for (let out = this.#nack?.poll(now); out; out = this.#nack?.poll(now)) {
      if (out.type === "nack") {
        this.#counters.nackPackets++;
        this.#counters.nacks += out.seqs.length;
        return { t: "nack", seqs: out.seqs };
      }
      if (out.type === "overflow") {
        // Nothing of it is asked for: what came after must not wait for it.
        for (let seq = this.#assembler.head; seq < out.before; seq++) this.#assembler.giveUp(seq);
        this.#policy.push("overflow", now);
      } else {
        for (const seq of out.seqs) {
          this.#assembler.giveUp(seq);
          this.#ledger.onGiveUp(seq);
        }
      }
      this.#assemble(now);
    }
    const due = this.#assembler.deadline;
    if (due !== undefined && now >= due) this.#assemble(now);
    if (this.#holdUntil !== undefined && now >= this.#holdUntil) this.#release(now);
    const frame = this.#frames.shift();
    if (frame) return { t: "frame", frame };
    const digit = this.#pressed.shift();
    if (digit) return { t: "digit", digit };
    const reason = this.standby ? undefined : this.#policy.poll(now);
    return reason && { t: "keyframe", reason };
  }

  /** The stream ends: hands out what is held, without waiting for anything. */
  flush(now: Millis): void {
    this.#assembler.flush();
    this.#assemble(now);
    this.#ledger.onGiveUpBefore(this.#newest + 1);
    this.#start();
  }

  /** Counters so far. */
  statistics(): ReceivedTrack {
    return receivedTrack({
      stream: this,
      assembled: this.#assembler.stats,
      counters: this.#counters,
      ledger: this.#ledger.snapshot(),
      timeline: this.#timeline,
      keyframeRequests: this.#policy.sent,
    });
  }

  /** The keyframe request that was asked for went out as FIR. */
  onFir(): void {
    this.#counters.firs++;
  }

  /** Extended number of a packet that came by retransmission; undefined: it was not missing. */
  #recover(seq: number, now: Millis): number | undefined {
    const extSeq = this.#newest + seqDiff(seq, this.#newest & 0xffff);
    this.#nack?.recovered(extSeq, now);
    if (extSeq > this.#newest || !this.#ledger.onRecovered(extSeq)) {
      this.#faults.count("rtp-duplicate");
      return undefined;
    }
    return extSeq;
  }

  #assemblePacket(p: MediaPacket, newest: boolean, now: Millis): void {
    const role = this.#role;
    if (role?.role === "media") {
      this.#assembler.push(p, role.codec, role.fmtp, newest, now);
      return;
    }
    if (role?.role === "red") {
      this.#unwrapRed(p, role, newest, now);
      return;
    }
    if (role?.role === "digits") this.#onDigits(p, role.clockRate);
    else if (!role) this.#faults.count("payload-unsupported");
    this.#assembler.pass({ ...p, payload: NOTHING }, now);
  }

  /** The packet that RED carries, and those before it that are missing and repeated in it. */
  #unwrapRed(p: MediaPacket, role: MediaRole & { role: "red" }, newest: boolean, now: Millis): void {
    const { codec, fmtp } = role;
    const blocks = p.payload.length === 0 ? [] : parseRed(p.payload);
    const primary = blocks?.at(-1);
    if (!blocks || (primary && primary.offset !== 0)) this.#faults.count("payload-malformed");
    const payload = primary?.offset === 0 ? p.payload.subarray(primary.from, primary.to) : NOTHING;
    this.#assembler.push({ ...p, payload }, codec, fmtp, newest, now);
    if (!blocks || blocks.length < 2) return;
    for (const r of redundantPackets(p.payload, blocks, role.payloadType, this.#packetTicks)) {
      const extSeq = p.extSeq - r.back;
      if (!this.#ledger.onRecovered(extSeq)) continue;
      this.#nack?.recovered(extSeq, now);
      const packet = { ...p, extSeq, rtpTime: p.rtpTime - r.offset, marker: false, payload: r.payload };
      this.#assembler.push(packet, codec, fmtp, false, now);
    }
  }

  #onDigits(p: MediaPacket, clockRate: number): void {
    this.#digits ??= new TelephoneEvents(clockRate);
    const digit = this.#digits.push(p.payload, p.rtpTime);
    if (digit) this.#pressed.push({ ...digit, local: this.#timeline.locate(digit.rtpTime, p.arrival) });
  }

  #roleOf(payload: NegotiatedPayload): PayloadRole | undefined {
    if (!this.#roles.has(payload)) {
      if (this.#roles.size >= MAX_ROLES) this.#roles.clear();
      this.#roles.set(payload, payloadRole(payload, this.#payloads));
    }
    return this.#roles.get(payload);
  }

  /** The sender counts afresh: what was buffered is all there will be of it. */
  #restart(now: Millis): void {
    this.#epoch = this.reception.epoch;
    this.#assembler.flush();
    this.#assemble(now);
    this.#nack?.reset();
    this.#ledger.onRestart();
    this.#timestamps.restart();
    this.#newest = -1;
    this.#newestTime = 0;
  }

  #assemble(now: Millis): void {
    // Before any frame: a keyframe that comes out right away answers it.
    this.#takeKeyframeRequest(now);
    for (let c = this.#assembler.poll(now); c; c = this.#assembler.poll(now)) {
      const f = c.frame;
      if (f.duration !== undefined) this.#packetTicks = Math.round((f.duration * this.#clockRate) / 1e6);
      if (this.kind === "video") {
        this.#counters.onFrame(f, now);
        if (f.keyframe) {
          this.#policy.onKeyframe();
          this.#nack?.abandonBefore(f.firstSeq);
        }
      }
      if (this.#started) this.#frames.push(this.#place(c));
      else {
        this.#held.push(c);
        this.#holdUntil ??= millis(now + START_HOLD_MS);
        this.#release(now);
      }
    }
    this.#ledger.onGiveUpBefore(this.#assembler.head);
    this.#takeKeyframeRequest(now);
  }

  #takeKeyframeRequest(now: Millis): void {
    const wanted = this.#assembler.takeKeyframeRequest();
    if (wanted !== undefined) this.#policy.push(wanted, now);
  }

  #release(now: Millis): void {
    if (this.#started || this.#held.length === 0) return;
    if (this.#timeline.synchronized || (this.#holdUntil !== undefined && now >= this.#holdUntil))
      this.#start();
  }

  #start(): void {
    this.#started = true;
    this.#holdUntil = undefined;
    for (const f of this.#held.splice(0)) this.#frames.push(this.#place(f));
  }

  #place({ codec, frame }: CodedFrame): PlacedFrame {
    const local = this.#timeline.place(frame.rtpTime, frame.arrival, frame.duration);
    const level = this.kind === "audio" ? this.#counters.audioLevel : undefined;
    return placedFrame(codec.name, frame, local, level);
  }
}
