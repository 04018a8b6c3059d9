import type { MediaKind } from "../frame.ts";
import { earliest } from "../machine.ts";
import { type Random, randomInt } from "../random.ts";
import type { Nack, ReportBlock } from "../rtp/rtcp/packet.ts";
import { parseRtcp } from "../rtp/rtcp/parse.ts";
import { stampPacket } from "../rtp/send/header.ts";
import { NtpClock } from "../rtp/send/ntp-clock.ts";
import { Pacer } from "../rtp/send/pacer.ts";
import { SenderReports } from "../rtp/send/sender-report.ts";
import { TransportCcSender } from "../rtp/send/transport-cc-out.ts";
import type { Millis } from "../time.ts";
import {
  type FramePacket,
  OutgoingTrack,
  type OutgoingTrackOptions,
  type OutgoingTrackStats,
} from "./outgoing-track.ts";
import type { SampleIndex } from "./sample-index.ts";
import { SampleLoop } from "./sample-loop.ts";
import type { DueSample, SampleSource } from "./sample-source.ts";

/** An RTP packet of 1200 octets fits every path that WebRTC works on, SRTP, UDP and IP included. */
const DEFAULT_MAX_PACKET = 1200;
/** Assumed until the first report. */
const DEFAULT_RTT_MS = 100;

/** A frame whose last packet was handed to the network. */
export type FrameSent = {
  readonly track: MediaKind;
  /** Position of the simulcast layer; 0 where there is one stream. */
  readonly layer: number;
  readonly loop: number;
  /** Position in the clip's sample table. */
  readonly index: number;
  readonly mediaTimeUs: number;
  readonly keyframe: boolean;
  readonly now: Millis;
};

/** What a participant sends over one connection. */
export type MediaSenderOptions = {
  /** A clip, sent in a loop; absent: what `live` gives. */
  readonly index?: SampleIndex;
  readonly live?: SampleSource;
  /** Negotiated tracks. Samples of a kind that was not negotiated are not sent. */
  readonly audio?: OutgoingTrackOptions | undefined;
  /**
   * Several: simulcast layers, encoded of one picture at a time, with keyframes at the same samples: one content
   * clock drives them, and a request for a keyframe of one makes all of them skip to their next.
   */
  readonly video?: OutgoingTrackOptions | readonly OutgoingTrackOptions[] | undefined;
  /** Bytes of one sample of a layer. Called once when it is due; the memory is not kept. */
  readonly read: (track: MediaKind, sampleIndex: number, layer: number) => Uint8Array;
  readonly cname: string;
  /** When media time 0 is due. */
  readonly start: Millis;
  /** Unix time minus monotonic now, in milliseconds; the same for all senders of a participant. */
  readonly wallOffsetMs: number;
  readonly random: Random;
  /** Average video rate in bits per second, all layers; absent: as if each were what the index says, or little. */
  readonly targetBps?: number;
  /** Octets of the largest RTP packet. */
  readonly maxPacket?: number;
  /** See `SampleLoopOptions`. */
  readonly maxLateMs?: number;
  readonly onFrameSent?: (f: FrameSent) => void;
};

/** Counters since the start. */
export type MediaSenderStats = {
  readonly tracks: readonly OutgoingTrackStats[];
  readonly targetBps: number;
  /** Octets in the pacer. */
  readonly queuedOctets: number;
  /** Times that missed content was dropped. */
  readonly stalls: number;
  /** The other side's last bandwidth estimate (REMB) in bits per second. */
  readonly rembBps: number | undefined;
  /** Transport-wide feedback; absent numbers: none arrived. */
  readonly transport: {
    readonly sent: number;
    readonly arrived: number;
    readonly lost: number;
    readonly rttMs: number | undefined;
  };
};

/** One datagram in the pacer: a media packet, or a repeat. */
type Outgoing = {
  readonly track: OutgoingTrack;
  readonly bytes: Uint8Array;
  readonly media: FramePacket | undefined;
};

/**
 * Sends a looped clip, or a live stream, over one connection: content clock, packetizers, pacer, sender reports, answers to NACK
 * and to requests for keyframes. Poll it at every deadline and after every `onRtcp`, until it gives nothing.
 */
export class MediaSender {
  readonly #o: MediaSenderOptions;
  readonly #source: SampleSource;
  readonly #tracks: readonly OutgoingTrack[];
  readonly #audio: readonly OutgoingTrack[];
  /** Layers, in the order of the options. */
  readonly #video: readonly OutgoingTrack[];
  readonly #pacer: Pacer<Outgoing>;
  readonly #reports: SenderReports;
  readonly #transport: TransportCcSender;
  readonly #ntp: NtpClock;
  #rembBps: number | undefined;
  #heardAt: Millis | undefined;
  #stopped = false;

  /** Errors: media-invalid when the index is inconsistent. */
  constructor(o: MediaSenderOptions) {
    this.#o = o;
    const layers = o.video === undefined ? [] : [o.video].flat();
    this.#source = o.live ?? loopOf(o, layers.length > 0);
    this.#ntp = new NtpClock(o.wallOffsetMs);
    this.#reports = new SenderReports({ cname: o.cname, ntp: this.#ntp, random: o.random });
    const outgoing = (t: OutgoingTrackOptions) =>
      new OutgoingTrack(t, o.maxPacket ?? DEFAULT_MAX_PACKET, o.start, o.random);
    this.#audio = o.audio ? [outgoing(o.audio)] : [];
    this.#video = layers.map(outgoing);
    this.#tracks = [...this.#audio, ...this.#video];
    this.#pacer = new Pacer(o.targetBps ?? layers.length * averageVideoRate(o.index));
    this.#transport = new TransportCcSender(randomInt(o.random, 0x8000));
  }

  /** Average video rate the pacer assumes, in bits per second. */
  get targetBps(): number {
    return this.#pacer.target;
  }
  set targetBps(bps: number) {
    this.#pacer.target = bps;
  }

  /** When the other side last said anything of what it gets; undefined: never. */
  get heardAt(): Millis | undefined {
    return this.#heardAt;
  }

  /** Pauses a simulcast layer, or lets it go on, with a keyframe. No effect where there is no such layer. */
  setActive(layer: number, active: boolean): void {
    const track = this.#video[layer];
    if (!track || track.active === active) return;
    track.active = active;
    if (active) this.#source.requestKeyframe();
  }

  /** Next RTP or RTCP packet to send now; undefined: nothing until `deadline` or the next push. */
  poll(now: Millis): Uint8Array | undefined {
    if (this.#stopped) return undefined;
    for (let due = this.#source.poll(now); due; due = this.#source.poll(now)) this.#enqueue(due, now);
    const report = this.#reports.poll(now);
    if (report) return report;
    const next = this.#pacer.poll(now);
    return next && this.#release(next, now);
  }

  /** When `poll` has something to do again; undefined: never (stopped, or nothing to send). */
  get deadline(): Millis | undefined {
    if (this.#stopped) return undefined;
    return earliest(earliest(this.#source.deadline, this.#pacer.deadline), this.#reports.deadline);
  }

  /** Takes in a datagram of RTCP. Malformed parts and packets about streams of others are ignored. */
  onRtcp(bytes: Uint8Array, now: Millis): void {
    if (this.#stopped) return;
    for (const p of parseRtcp(bytes).packets) {
      this.#heardAt = now;
      switch (p.type) {
        case "sr":
        case "rr":
          for (const block of p.reports) this.#onReport(block, now);
          break;
        case "nack":
          this.#onNack(p, now);
          break;
        case "pli":
          if (this.#trackOf(p.media)?.keyframeRequests.onPli(now)) this.#source.requestKeyframe();
          break;
        case "fir":
          for (const e of p.entries)
            if (this.#trackOf(e.ssrc)?.keyframeRequests.onFir(p.sender, e.seq, now))
              this.#source.requestKeyframe();
          break;
        case "remb":
          this.#rembBps = p.bitrate;
          break;
        case "twcc":
          this.#transport.onFeedback(p, now);
          break;
        case "xr":
          if (p.rrtr) this.#reports.onReferenceTime(p.sender, p.rrtr, now);
          break;
      }
    }
  }

  /** Ends all streams: the BYE packets to send. What still waits in the pacer is dropped. */
  stop(now: Millis): Uint8Array[] {
    if (this.#stopped) return [];
    this.#stopped = true;
    this.#pacer.clear();
    return this.#reports.bye(now);
  }

  /** A snapshot of the counters. */
  stats(): MediaSenderStats {
    const { sent, arrived, lost, rttMs } = this.#transport;
    return {
      tracks: this.#tracks.map((t) => t.stats()),
      targetBps: this.#pacer.target,
      queuedOctets: this.#pacer.queued,
      stalls: this.#source.stalls,
      rembBps: this.#rembBps,
      transport: { sent, arrived, lost, rttMs },
    };
  }

  #trackOf(ssrc: number): OutgoingTrack | undefined {
    return this.#tracks.find((t) => t.stream.ssrc === ssrc);
  }

  #onReport(block: ReportBlock, now: Millis): void {
    const track = this.#trackOf(block.ssrc);
    if (!track) return;
    track.stream.acknowledge();
    track.remote.onReport(block, this.#ntp.mid32(now));
  }

  #onNack(p: Nack, now: Millis): void {
    const track = this.#trackOf(p.media);
    if (!track) return;
    const rtt = track.remote.rttMs ?? this.#transport.rttMs ?? DEFAULT_RTT_MS;
    for (const bytes of track.nack.answer(p.seqs, now, rtt))
      this.#pacer.push({ track, bytes, media: undefined }, bytes.length, "rtx", now);
  }

  #enqueue(due: DueSample, now: Millis): void {
    for (const [layer, track] of (due.track === "video" ? this.#video : this.#audio).entries()) {
      if (!track.takes(due)) continue;
      for (const media of track.packetize(due, this.#o.read(due.track, due.sampleIndex, layer))) {
        const { bytes } = media.packet;
        this.#pacer.push({ track, bytes, media }, bytes.length, due.track, now);
      }
    }
  }

  #release(out: Outgoing, now: Millis): Uint8Array {
    const { track, bytes, media } = out;
    const { ids } = track.stream.header;
    const transportSeq = ids.transportCc === undefined ? 0 : this.#transport.stamp(now);
    stampPacket(bytes, ids, ids.absSendTime === undefined ? 0 : this.#ntp.absSendTime(now), transportSeq);
    if (!media) return bytes;
    track.stream.sent(media.packet, now);
    track.nack.mediaSent(bytes.length, now);
    this.#reports.started(track.stream, now);
    const frame = media.completes;
    if (frame) {
      track.frameSent(frame);
      this.#o.onFrameSent?.({
        track: frame.track,
        layer: Math.max(0, this.#video.indexOf(track)),
        loop: frame.loop,
        index: frame.sampleIndex,
        mediaTimeUs: frame.mediaTimeUs,
        keyframe: frame.keyframe,
        now,
      });
    }
    return bytes;
  }
}

/** The clip, as far as it was negotiated. Errors: media-invalid. */
function loopOf(o: MediaSenderOptions, video: boolean): SampleLoop {
  const { index } = o;
  return new SampleLoop(
    {
      ...(o.audio && index?.audio ? { audio: index.audio } : {}),
      ...(video && index?.video ? { video: index.video } : {}),
      durationUs: index?.durationUs ?? 0,
    },
    { start: o.start, ...(o.maxLateMs === undefined ? {} : { maxLateMs: o.maxLateMs }) },
  );
}

/** Bits per second of a clip's video; 0 where there is no clip. */
function averageVideoRate(index: SampleIndex | undefined): number {
  if (!index) return 0;
  const octets = (index.video ?? []).reduce((n, s) => n + s.size, 0);
  return (octets * 8e6) / index.durationUs;
}
