import type { FaultCounter } from "../fault.ts";
import type { CodecName, Frame, MediaKind, Rotation } from "../frame.ts";
import { earliest } from "../machine.ts";
import { NackGenerator } from "../rtp/nack.ts";
import { payloadOf, type RtpView } from "../rtp/packet.ts";
import { Reception } from "../rtp/reception.ts";
import type { RttEstimator } from "../rtp/rtt.ts";
import { type LedgerCounts, SequenceLedger } from "../rtp/sequence-ledger.ts";
import { TimestampGuard } from "../rtp/timestamp-guard.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";
import { seqDiff, tsDiff } from "../serial.ts";
import { type Millis, millis, type Ntp, ntpToWall } from "../time.ts";
import type { KeyframeReason, MediaPacket } from "./assembled-frame.ts";
import { KeyframePolicy } from "./keyframe-policy.ts";
import { type PayloadRole, payloadRole } from "./payload-role.ts";
import { type CodedFrame, StreamAssembler } from "./stream-assembler.ts";
import type { SenderTimeline, TrackTimeline } from "./timeline.ts";

/** A frame with its place on local time, before the session gives it its own. */
export type PlacedFrame = Omit<Frame, "time"> & {
  /** Local monotonic time of the moment the frame shows. */
  readonly local: Millis;
};

/** What a stream wants done. */
export type StreamOutput =
  | { readonly t: "frame"; readonly frame: PlacedFrame }
  | { readonly t: "nack"; readonly seqs: readonly number[] }
  | { readonly t: "keyframe"; readonly reason: KeyframeReason };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Frames wait this long for the first sender report, so that they start exactly in sync. */
const START_HOLD_MS = 1500;
/** A session that renegotiates for ever does not grow this. */
const MAX_ROLES = 64;
const NOTHING = new Uint8Array(0);

/** Counters of one incoming SSRC. */
export type ReceivedTrack = {
  readonly mid: string;
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly codec: CodecName;
  /** Primary packets, without retransmissions. */
  readonly packets: number;
  /** Payload octets. */
  readonly bytes: number;
  /** Packets that never came, after repair; and those missing before it. */
  readonly lost: number;
  readonly lostBeforeRepair: number;
  /** Packets restored by retransmission. */
  readonly recovered: number;
  readonly duplicates: number;
  /** What became of every sequence number. */
  readonly numbers: LedgerCounts;
  /** Sequence numbers asked for again, repetitions included; keyframe requests sent. */
  readonly nacks: number;
  readonly keyframeRequests: number;
  readonly frames: number;
  readonly keyframes: number;
  readonly abandonedFrames: number;
  readonly gatedFrames: number;
  readonly jitterMs: number;
  /** Sender reports place it; false: arrival times do. */
  readonly synchronized: boolean;
  readonly timelineRestarts: number;
  /** Pixels of the last keyframe. */
  readonly width?: number;
  readonly height?: number;
};

/** Options of a stream. */
export type StreamOptions = {
  readonly ssrc: number;
  readonly mid: string;
  readonly kind: MediaKind;
  readonly payload: NegotiatedPayload;
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
  readonly kind: MediaKind;
  readonly reception: Reception;
  readonly #nack: NackGenerator | undefined;
  readonly #rtt: RttEstimator;
  readonly #faults: FaultCounter;
  readonly #assembler: StreamAssembler;
  readonly #clockRate: number;
  /** Roles of payload types, by what was negotiated of them. */
  readonly #roles = new Map<NegotiatedPayload, PayloadRole | undefined>();
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
  #bytes = 0;
  #nacked = 0;
  #width: number | undefined;
  #height: number | undefined;
  #lastPacket: Millis | undefined;

  constructor(o: StreamOptions, media: PayloadRole & { role: "media" }) {
    this.ssrc = o.ssrc;
    this.mid = o.mid;
    this.kind = o.kind;
    this.#rtt = o.rtt;
    this.#faults = o.faults;
    this.reception = new Reception(o.ssrc, o.payload.clockRate);
    this.#timestamps = new TimestampGuard(o.payload.clockRate);
    this.#nack = o.payload.feedback.includes("nack") ? new NackGenerator({ rtt: o.rtt }) : undefined;
    this.#assembler = new StreamAssembler(media.codec, media.fmtp);
    this.#clockRate = o.payload.clockRate;
    this.#payload = o.payload;
    this.#role = media;
    this.#timeline = o.sender.track(o.payload.clockRate);
  }

  /** A stream for a negotiated payload; undefined when its codec is not one of ours. */
  static create(o: StreamOptions): IncomingStream | undefined {
    const role = payloadRole(o.payload);
    return role?.role === "media" ? new IncomingStream(o, role) : undefined;
  }

  get codec(): CodecName {
    return this.#assembler.codec.name;
  }

  /** When the last packet came; undefined: none yet. */
  get lastPacket(): Millis | undefined {
    return this.#lastPacket;
  }

  /** What the last packet was, as negotiated. */
  get payload(): NegotiatedPayload {
    return this.#payload;
  }

  /** False: packets of `payload` need another clock, so they are another stream. */
  accepts(payload: NegotiatedPayload): boolean {
    if (payload === this.#payload) return true;
    return this.#roleOf(payload)?.role !== "media" || payload.clockRate === this.#clockRate;
  }

  get deadline(): Millis | undefined {
    const machines = earliest(
      earliest(this.#nack?.deadline, this.#assembler.deadline),
      this.#policy.deadline,
    );
    return this.#frames.length > 0 ? millis(0) : earliest(machines, this.#holdUntil);
  }

  /** A packet of this SSRC, and what its payload type is. `recovered`: it came by retransmission. */
  packet(
    v: RtpView,
    payload: NegotiatedPayload,
    rotation: Rotation | undefined,
    recovered: boolean,
    now: Millis,
  ): void {
    if (payload !== this.#payload) {
      this.#payload = payload;
      this.#role = this.#roleOf(payload);
    }
    const extSeq = recovered ? this.#recover(v.seq, now) : this.reception.push(v.seq, v.timestamp, now);
    if (extSeq === undefined) return;
    this.#lastPacket = now;
    if (this.reception.epoch !== this.#epoch) this.#restart(now);
    const rtpTime = this.#timestamps.accept(v.timestamp, now);
    if (rtpTime === undefined) {
      this.#faults.count("timestamp-outlier");
      return;
    }
    if (this.#timestamps.epoch !== this.#tsEpoch) {
      this.#tsEpoch = this.#timestamps.epoch;
      this.#timeline.restart();
    }
    const newest = extSeq > this.#newest;
    if (newest) this.#newest = extSeq;
    this.#newestTime = Math.max(this.#newestTime, rtpTime);
    const empty = v.payloadEnd === v.payloadOffset;
    if (!recovered) {
      this.#ledger.onPacket(extSeq);
      this.#nack?.push(extSeq, now);
      if (!empty) this.#timeline.onPacket(rtpTime, now);
    }
    this.#bytes += v.payloadEnd - v.payloadOffset;
    this.#assemblePacket(
      { extSeq, rtpTime, marker: v.marker, payload: payloadOf(v), arrival: now, rotation },
      newest,
      now,
    );
    this.#policy.onPacket(this.#assembler.keyframePacketAt === now, now);
    this.#assemble(now);
  }

  /** A sender report of this SSRC. */
  onReport(ntp: Ntp, rtpTime: number, now: Millis): void {
    this.reception.onSenderReport(ntp, now);
    if (ntp.seconds === 0 && ntp.fraction === 0) return;
    if (this.#newest < 0) return;
    const unwrapped = this.#newestTime + tsDiff(rtpTime, (this.#newestTime % 0x1_0000_0000) | 0);
    this.#timeline.onReport(ntpToWall(ntp), unwrapped, now);
    this.#release(now);
  }

  /** Asks for a keyframe, as often as is polite. */
  requestKeyframe(reason: KeyframeReason, now: Millis): void {
    if (this.kind === "video") this.#policy.push(reason, now);
  }

  /** The event loop stood still: clocks that wait for packets stop for that time. */
  onStall(lagMs: number): void {
    this.#nack?.onStall(lagMs);
  }

  poll(now: Millis): StreamOutput | undefined {
    this.#assembler.setRoundTrip(this.#rtt.ms);
    for (let out = this.#nack?.poll(now); out; out = this.#nack?.poll(now)) {
      if (out.type === "nack") {
        this.#nacked += out.seqs.length;
        return { t: "nack", seqs: out.seqs };
      }
      if (out.type === "overflow") this.#policy.push("overflow", now);
      else {
        for (const seq of out.seqs) {
          this.#assembler.giveUp(seq);
          this.#ledger.onGiveUp(seq);
        }
        this.#assemble(now);
      }
    }
    const due = this.#assembler.deadline;
    if (due !== undefined && now >= due) this.#assemble(now);
    if (this.#holdUntil !== undefined && now >= this.#holdUntil) this.#release(now);
    const frame = this.#frames.length > 0 ? this.#frames.shift() : undefined;
    if (frame) return { t: "frame", frame };
    const reason = this.#policy.poll(now);
    return reason && { t: "keyframe", reason };
  }

  /** The stream ends: hands out what is held, without waiting for anything. */
  flush(now: Millis): void {
    this.#assembler.flush();
    this.#assemble(now);
    this.#start(now);
  }

  /** Counters so far. */
  statistics(): ReceivedTrack {
    const a = this.#assembler.stats;
    return {
      mid: this.mid,
      ssrc: this.ssrc,
      kind: this.kind,
      codec: this.codec,
      packets: this.reception.received,
      bytes: this.#bytes,
      lost: a.lostPackets,
      lostBeforeRepair: this.reception.lost,
      recovered: this.#ledger.snapshot().recovered,
      numbers: this.#ledger.snapshot(),
      duplicates: a.duplicatePackets,
      nacks: this.#nacked,
      keyframeRequests: this.#policy.sent,
      frames: a.frames,
      keyframes: a.keyframes,
      abandonedFrames: a.abandonedFrames,
      gatedFrames: a.gatedFrames,
      jitterMs: this.reception.jitterMs,
      synchronized: this.#timeline.synchronized,
      timelineRestarts: this.#timeline.restarts,
      ...(this.#width === undefined ? {} : { width: this.#width }),
      ...(this.#height === undefined ? {} : { height: this.#height }),
    };
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
    if (!role) this.#faults.count("payload-unsupported");
    this.#assembler.pass({ ...p, payload: NOTHING }, now);
  }

  #roleOf(payload: NegotiatedPayload): PayloadRole | undefined {
    if (!this.#roles.has(payload)) {
      if (this.#roles.size >= MAX_ROLES) this.#roles.clear();
      this.#roles.set(payload, payloadRole(payload));
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
    for (let c = this.#assembler.poll(now); c; c = this.#assembler.poll(now)) {
      const f = c.frame;
      if (f.keyframe && this.kind === "video") {
        this.#policy.onKeyframe();
        this.#nack?.abandonBefore(f.firstSeq);
        this.#width = f.width ?? this.#width;
        this.#height = f.height ?? this.#height;
      }
      if (this.#started) this.#frames.push(this.#place(c));
      else {
        this.#held.push(c);
        this.#holdUntil ??= millis(now + START_HOLD_MS);
        this.#release(now);
      }
    }
    this.#ledger.onGiveUpBefore(this.#assembler.head);
    const wanted = this.#assembler.takeKeyframeRequest();
    if (wanted !== undefined) this.#policy.push(wanted, now);
  }

  #release(now: Millis): void {
    if (this.#started || this.#held.length === 0) return;
    if (this.#timeline.synchronized || (this.#holdUntil !== undefined && now >= this.#holdUntil))
      this.#start(now);
  }

  #start(_now: Millis): void {
    this.#started = true;
    this.#holdUntil = undefined;
    for (const f of this.#held.splice(0)) this.#frames.push(this.#place(f));
  }

  #place({ codec, frame: f }: CodedFrame): PlacedFrame {
    const frame: Mutable<PlacedFrame> = {
      codec: codec.name,
      data: f.data,
      keyframe: f.keyframe,
      local: this.#timeline.place(f.rtpTime, f.arrival),
      rtpTime: f.rtpTime,
      lostBefore: f.lostBefore,
    };
    if (f.width !== undefined) frame.width = f.width;
    if (f.height !== undefined) frame.height = f.height;
    if (f.duration !== undefined) frame.duration = f.duration;
    if (f.rotation !== undefined) frame.rotation = f.rotation;
    return frame;
  }
}
