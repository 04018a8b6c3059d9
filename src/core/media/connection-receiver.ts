import type { FaultCounter } from "../fault.ts";
import { earliest } from "../machine.ts";
import type { Random } from "../random.ts";
import { RtpDemuxer, type RtpRoute } from "../rtp/demux.ts";
import { emptyRtpView, isRtcp, parseRtp } from "../rtp/packet.ts";
import type { RtcpPacket } from "../rtp/rtcp/packet.ts";
import { parseRtcp } from "../rtp/rtcp/parse.ts";
import { RttEstimator } from "../rtp/rtt.ts";
import { RtxUnwrapper } from "../rtp/rtx.ts";
import type { NegotiatedMedia, NegotiatedPayload } from "../sdp/negotiated.ts";
import { type Millis, millis } from "../time.ts";
import { CongestionFeedback } from "./congestion-feedback.ts";
import { IncomingStream, type StreamOutput } from "./incoming-stream.ts";
import type { PlacedDigit, PlacedFrame, ReceivedTrack } from "./received-track.ts";
import { needsFir, ReceiverReports } from "./receiver-reports.ts";
import { SimulcastTracks } from "./simulcast-tracks.ts";
import { SenderTimeline } from "./timeline.ts";

/** A stream without packets for this long leaves the reports, and after the longer time our memory. */
const ACTIVE_MS = 5000;
const FORGET_MS = 30_000;
/** A hostile peer cannot make us keep more streams than this. */
const MAX_STREAMS = 64;
const MAX_NAMES = 1024;

/** What a connection gives: frames, and RTCP to send. */
export type ReceiverOutput =
  | { readonly t: "frame"; readonly mid: string; readonly frame: PlacedFrame }
  | { readonly t: "rtcp"; readonly data: Uint8Array }
  /** Somebody pressed a key of a telephone. */
  | { readonly t: "digit"; readonly mid: string; readonly digit: PlacedDigit };

/** Options of a receiver. */
export type ReceiverOptions = {
  readonly random: Random;
  readonly cname: string;
  /** Ceiling for each incoming video, bit/s. */
  readonly maxBitrate: number;
  readonly faults: FaultCounter;
};

/** Counters of a connection. */
export type ReceiverStatistics = {
  readonly tracks: readonly ReceivedTrack[];
  readonly rttMs: number | undefined;
  /** What we state as the highest bitrate, bit/s. */
  readonly rembBps: number | undefined;
};

/**
 * The receiving half of a connection: every packet of the bundle goes in; frames of every track, placed on
 * local time, and all RTCP come out.
 */
export class ConnectionReceiver {
  readonly #faults: FaultCounter;
  readonly #reports: ReceiverReports;
  readonly #congestion: CongestionFeedback;
  readonly #demux = new RtpDemuxer<NegotiatedMedia>();
  readonly #streams = new Map<number, IncomingStream>();
  readonly #timelines = new Map<string, SenderTimeline>();
  readonly #cnames = new Map<number, string>();
  readonly #rtt = new RttEstimator();
  readonly #rtx = new RtxUnwrapper();
  readonly #view = emptyRtpView();
  readonly #simulcast = new SimulcastTracks();
  #out: ReceiverOutput[] = [];
  #flushing = false;
  #firstMedia: Millis | undefined;
  /** The stream that a packet went into since the last poll. */
  #touched: IncomingStream | undefined;
  /** No other stream has anything to do before; may be too early, never too late. */
  #streamsDue: Millis | undefined;

  constructor(o: ReceiverOptions) {
    this.#faults = o.faults;
    this.#reports = new ReceiverReports(o);
    this.#congestion = new CongestionFeedback(this.#reports.ssrc, o.maxBitrate);
  }

  /** Takes over what was agreed; streams of kept m-lines go on. */
  configure(media: readonly NegotiatedMedia[]): void {
    const own = new Set<number>();
    for (const m of media) {
      if (m.send) own.add(m.send.ssrc);
      if (m.send?.rtx) own.add(m.send.rtx.ssrc);
      for (const layer of m.send?.layers ?? []) {
        own.add(layer.ssrc);
        if (layer.rtx) own.add(layer.rtx.ssrc);
      }
      for (const s of m.remoteSsrcs) if (s.cname !== undefined) this.#named(s.ssrc, s.cname);
    }
    const receiving = media.filter((m) => m.receiving);
    this.#demux.update(receiving, own);
    this.#congestion.configure(receiving);
  }

  /** One datagram, RTP or RTCP. `now`: when it was read. The memory belongs to the receiver. */
  push(b: Uint8Array, now: Millis): void {
    if (isRtcp(b)) this.#onRtcp(b, now);
    else this.#onRtp(b, now);
  }

  poll(now: Millis): ReceiverOutput | undefined {
    if (this.#out.length > 0) return this.#out.shift();
    const media = this.#pollStreams(now) ?? this.#pollSimulcast(now);
    if (media) return media;
    const feedback = this.#congestion.poll(now);
    if (feedback) return { t: "rtcp", data: this.#reports.general(feedback) };
    const due = this.#reports.deadline;
    return due !== undefined && now >= due ? this.#report(now) : undefined;
  }

  get deadline(): Millis | undefined {
    if (this.#out.length > 0) return millis(0);
    const due = earliest(earliest(this.#congestion.deadline, this.#reports.deadline), this.#streamsDue);
    const media = earliest(due, this.#simulcast.deadline);
    return this.#touched ? earliest(media, this.#touched.deadline) : media;
  }

  /** When the first media packet of the connection came; undefined: none yet. */
  get firstMedia(): Millis | undefined {
    return this.#firstMedia;
  }

  /** The event loop stood still for `lagMs` until `now`. */
  onStall(lagMs: number, now: Millis): void {
    this.#congestion.onStall(lagMs, now);
    for (const s of this.#streams.values()) s.onStall(lagMs);
  }

  /** Lets go of everything held, without waiting for missing packets. Poll afterwards. */
  flush(now: Millis): void {
    for (const s of this.#streams.values()) {
      s.flush(now);
      this.#touch(s);
    }
    this.#flushing = true;
  }

  statistics(_now: Millis): ReceiverStatistics {
    return {
      tracks: [...this.#streams.values()].map((s) => {
        const selected = this.#simulcast.selected(s);
        return selected === undefined ? s.statistics() : { ...s.statistics(), selected };
      }),
      rttMs: this.#rtt.echoMs,
      rembBps: this.#congestion.rembBps,
    };
  }

  #onRtp(b: Uint8Array, now: Millis): void {
    const v = this.#view;
    if (!parseRtp(b, v)) {
      this.#faults.count("rtp-malformed");
      return;
    }
    const octets = b.length;
    const route = this.#demux.route(v);
    const x = this.#demux.extensions;
    this.#congestion.push(x, v.ssrc, octets, now);
    if (typeof route === "string") {
      this.#faults.count(route);
      return;
    }
    this.#firstMedia ??= now;
    this.#reports.begin(now);
    if (route.role === "media") {
      const payload = route.payloads.get(v.payloadType);
      const stream = payload && this.#stream(route, payload, now);
      if (!stream) return;
      this.#simulcast.packet(stream, v.payloadEnd - v.payloadOffset, now);
      stream.packet(v, payload, x, undefined, now);
      this.#touch(stream);
      return;
    }
    const repeated = route.primarySsrc === undefined ? undefined : this.#streams.get(route.primarySsrc);
    const apt = route.payloads.get(v.payloadType)?.apt;
    const payload = apt === undefined ? undefined : route.payloads.get(apt);
    if (!repeated || route.primarySsrc === undefined || !payload) return;
    const association = { primarySsrc: route.primarySsrc, primaryPayloadType: payload.payloadType };
    const { ssrc } = v;
    if (!this.#rtx.unwrap(v, association)) return;
    repeated.packet(v, payload, x, ssrc, now);
    this.#touch(repeated);
  }

  /** Something went into a stream: the next polls ask it. */
  #touch(s: IncomingStream): void {
    if (this.#touched === undefined) this.#touched = s;
    else if (this.#touched !== s) this.#streamsDue = millis(0);
  }

  /** Most packets concern one stream: the others are looked at when something of theirs is due. */
  #pollStreams(now: Millis): ReceiverOutput | undefined {
    const touched = this.#touched;
    if (touched) {
      const out = this.#pollStream(touched, now);
      if (out) return out;
      this.#touched = undefined;
      this.#streamsDue = earliest(this.#streamsDue, touched.deadline);
    }
    if (this.#streamsDue === undefined || now < this.#streamsDue) return undefined;
    let due: Millis | undefined;
    for (const stream of this.#streams.values()) {
      const out = this.#pollStream(stream, now);
      if (out) return out;
      due = earliest(due, stream.deadline);
    }
    this.#streamsDue = due;
    return undefined;
  }

  /** The next output of a stream that is one of the connection. */
  #pollStream(s: IncomingStream, now: Millis): ReceiverOutput | undefined {
    s.standby = !this.#simulcast.wants(s);
    for (let out = s.poll(now); out; out = s.poll(now)) {
      const given = this.#fromStream(s, out, now);
      if (given) return given;
    }
    return undefined;
  }

  #pollSimulcast(now: Millis): ReceiverOutput | undefined {
    if (this.#flushing) {
      this.#flushing = false;
      this.#simulcast.flush(now);
    }
    for (let next = this.#simulcast.poll(now); next; next = this.#simulcast.poll(now)) {
      const { mid, out } = next;
      if (out.t === "frame") return { t: "frame", mid, frame: out.frame };
      const layer = this.#streams.get(out.ssrc);
      layer?.requestKeyframe("layer", now);
      const request = layer && this.#pollStream(layer, now);
      if (layer) this.#streamsDue = earliest(this.#streamsDue, layer.deadline);
      if (request) return request;
    }
    return undefined;
  }

  /** Asks the sender of an m-line's picture for a keyframe, as often as is polite. */
  requestKeyframe(mid: string, now: Millis): void {
    for (const s of this.#streams.values()) {
      if (s.mid !== mid || !this.#simulcast.wants(s)) continue;
      s.requestKeyframe("recorder", now);
      this.#streamsDue = earliest(this.#streamsDue, s.deadline);
    }
  }

  #stream(
    route: RtpRoute<NegotiatedMedia>,
    payload: NegotiatedPayload,
    now: Millis,
  ): IncomingStream | undefined {
    const known = this.#streams.get(route.ssrc);
    // Packets that came before the description that names their SSRC may have been taken for another m-line's.
    if (known?.mid === route.mid && known.accepts(payload)) return known;
    if (known) this.#retire(known, now);
    if (this.#streams.size >= MAX_STREAMS) return undefined;
    const stream = IncomingStream.create({
      ssrc: route.ssrc,
      mid: route.mid,
      rid: route.rid,
      kind: route.section.kind,
      payload,
      payloads: route.payloads,
      sender: this.#timeline(route.ssrc),
      rtt: this.#rtt,
      faults: this.#faults,
    });
    if (!stream) {
      this.#faults.count("payload-unsupported");
      return undefined;
    }
    if (SimulcastTracks.carries(route.section)) this.#simulcast.add(stream, now);
    // Another SSRC on the same m-line takes over: what the old one still holds goes out first.
    else for (const old of this.#streams.values()) if (old.mid === route.mid) this.#drain(old, now);
    this.#streams.set(route.ssrc, stream);
    return stream;
  }

  #onRtcp(b: Uint8Array, now: Millis): void {
    const parsed = parseRtcp(b);
    if (parsed.malformed > 0) this.#faults.count("rtcp-malformed", parsed.malformed);
    for (const p of parsed.packets) this.#onReport(p, now);
  }

  #onReport(p: RtcpPacket, now: Millis): void {
    switch (p.type) {
      case "sr": {
        const stream = this.#streams.get(p.ssrc);
        stream?.onReport(p, now);
        if (stream) this.#touch(stream);
        break;
      }
      case "sdes":
        for (const c of p.chunks) {
          if (c.cname !== undefined) this.#named(c.ssrc, c.cname);
        }
        break;
      case "xr":
        for (const d of p.dlrr) {
          const ms = this.#reports.roundTrip(d, now);
          if (ms !== undefined) this.#rtt.onEcho(ms, now);
        }
        break;
      case "bye":
        for (const ssrc of p.ssrcs) {
          const stream = this.#streams.get(ssrc);
          if (stream) this.#retire(stream, now);
        }
        break;
      default:
    }
  }

  /** What a stream wants done; undefined: a layer's frame, which the track may show later. */
  #fromStream(s: IncomingStream, out: StreamOutput, now: Millis): ReceiverOutput | undefined {
    switch (out.t) {
      case "frame":
        if (this.#simulcast.push(s, out.frame, now)) return undefined;
        return { t: "frame", mid: s.mid, frame: out.frame };
      case "digit":
        return { t: "digit", mid: s.mid, digit: out.digit };
      case "nack":
        return { t: "rtcp", data: this.#reports.nack(s, out.seqs, now) };
      case "keyframe": {
        const fir = needsFir(s.payload.feedback);
        if (fir) s.onFir();
        return { t: "rtcp", data: this.#reports.keyframeRequest(s, fir, now) };
      }
    }
  }

  #report(now: Millis): ReceiverOutput {
    const active: IncomingStream[] = [];
    for (const s of this.#streams.values()) {
      const silent = now - (s.lastPacket ?? now);
      if (silent < ACTIVE_MS) active.push(s);
      else if (silent > FORGET_MS) this.#retire(s, now);
    }
    const lost = active.map((s) => (s.kind === "video" ? s.reception.peek(now).fractionLost / 256 : 0));
    const remb = this.#congestion.statedWith(Math.max(0, ...lost), now);
    return { t: "rtcp", data: this.#reports.report(active, remb, now) };
  }

  /** Hands out what a stream holds; it stays. */
  #drain(s: IncomingStream, now: Millis): void {
    s.flush(now);
    for (let out = s.poll(now); out; out = s.poll(now)) {
      const given = out.t === "frame" ? this.#fromStream(s, out, now) : undefined;
      if (given) this.#out.push(given);
    }
  }

  #retire(s: IncomingStream, now: Millis): void {
    this.#drain(s, now);
    this.#streams.delete(s.ssrc);
    this.#reports.forget(s.ssrc);
    this.#simulcast.remove(s, now);
    if (this.#touched === s) this.#touched = undefined;
  }

  /** The name that an SSRC goes by. Of too many the oldest is forgotten. */
  #named(ssrc: number, cname: string): void {
    this.#cnames.delete(ssrc);
    makeRoom(this.#cnames);
    this.#cnames.set(ssrc, cname);
  }

  /** Tracks with one CNAME share a clock; a connection without names is one sender. */
  #timeline(ssrc: number): SenderTimeline {
    const cname = this.#cnames.get(ssrc) ?? "";
    const known = this.#timelines.get(cname);
    if (known) return known;
    const made = new SenderTimeline();
    makeRoom(this.#timelines);
    this.#timelines.set(cname, made);
    return made;
  }
}

function makeRoom<K>(map: Map<K, unknown>): void {
  if (map.size < MAX_NAMES) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
