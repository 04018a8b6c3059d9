import { concat, putU16, putU32, u32 } from "../../../src/core/bytes.ts";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver, type ReceiverStatistics } from "../../../src/core/media/connection-receiver.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { buildRtp } from "../../../src/core/rtp/packet.ts";
import { buildSenderReport, compound } from "../../../src/core/rtp/rtcp/build.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { wallMillis, wallToNtp } from "../../../src/core/time.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { keyframe640x480 } from "../codecs/vp8.cases.ts";

const PACKETS_PER_FRAME = 4;
const WALL = 1_700_000_000_000;
const DELAY_MS = 20;
const RING = 2048;

const sections: NegotiatedMedia[] = [
  {
    receiving: true,
    extensions: new Map(),
    remoteSsrcs: [{ ssrc: 10, cname: "sender" }],
    remoteRids: [],
    rtcpRsize: false,
    mid: "0",
    kind: "audio",
    payloads: [{ payloadType: 111, codec: "opus", clockRate: 48_000, channels: 2, fmtp: "", feedback: [] }],
  },
  {
    receiving: true,
    extensions: new Map(),
    remoteSsrcs: [{ ssrc: 20, rtx: 21, cname: "sender" }],
    remoteRids: [],
    rtcpRsize: false,
    mid: "1",
    kind: "video",
    payloads: [
      { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback: ["nack", "nack pli"] },
      { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 },
    ],
  },
];

/** What came of a call. */
export type CallResult = {
  readonly statistics: ReceiverStatistics;
  readonly faults: Readonly<Record<string, number>>;
  readonly sent: { readonly audio: number; readonly video: number; readonly dropped: number };
  /** Frames whose number is not that of the frame before plus one. */
  readonly outOfOrder: number;
  readonly frames: { readonly audio: number; readonly video: number };
};

/** Settings of a call. */
export type CallOptions = {
  readonly durationMs: number;
  /** All clocks of the sender are off by this. */
  readonly ppm: number;
  /** RTP timestamp of the first picture. */
  readonly videoStart: number;
  readonly loss: number;
  readonly seed: number;
  /** A frame came out: `error` is its time against true capture plus the delay of the path, milliseconds. */
  readonly onFrame: (kind: "audio" | "video", t: number, error: number) => void;
  readonly onHour?: (hour: number) => void;
};

/**
 * A call in virtual time: Opus (50 packets a second) and VP8 (30 frames of four packets), sender reports each second,
 * losses that RTX repairs, both sequence numbers starting just before their wrap.
 */
export function longCall(o: CallOptions): CallResult {
  const random = seededRandom(o.seed);
  const faults = new FaultCounter();
  const receiver = new ConnectionReceiver({ random, cname: "receiver", maxBitrate: 4e6, faults });
  receiver.configure(sections);
  const clock = new VirtualClock();
  const speed = 1 + o.ppm * 1e-6;
  /** Sending ends before the call, so that all of it arrives. */
  const until = o.durationMs - 2000;
  const sent = { audio: 0, video: 0, dropped: 0 };
  const frames = { audio: 0, video: 0 };
  const ring: (Uint8Array | undefined)[] = new Array(RING).fill(undefined);
  let outOfOrder = 0;
  let audioSeq = 65_500;
  let videoSeq = 65_500;
  let rtxSeq = 0;

  const push = clock.attach<Uint8Array, NonNullable<ReturnType<typeof receiver.poll>>>(receiver, (out) => {
    if (out.t === "rtcp") {
      for (const p of parseRtcp(out.data).packets) {
        if (p.type === "nack") for (const seq of p.seqs) clock.after(2 * DELAY_MS, () => repeat(seq));
      }
      return;
    }
    if (out.t !== "frame") return;
    const { frame } = out;
    const kind = out.mid === "0" ? "audio" : "video";
    const n = u32(frame.data, kind === "audio" ? 1 : frame.keyframe ? keyframe640x480.length : 1);
    if (n !== frames[kind]) outOfOrder++;
    frames[kind] = n + 1;
    const t = kind === "audio" ? (n * 20) / speed : (n * 100) / 3;
    o.onFrame(kind, t, frame.local - t - DELAY_MS);
  });

  /** Arrival of what is sent at `t`: whole milliseconds, never early. */
  const arrival = (t: number) => Math.ceil(t + DELAY_MS + (random() < 0.5 ? 0 : 3 * random()));

  function repeat(seq: number): void {
    const packet = ring[seq % RING];
    if (!packet) return;
    const osn = new Uint8Array(2);
    putU16(osn, 0, seq);
    const payload = concat([osn, packet.subarray(12)]);
    const timestamp = u32(packet, 4);
    const marker = (packet[1] ?? 0) >= 0x80;
    push(buildRtp({ payloadType: 97, ssrc: 21, seq: rtxSeq++ & 0xffff, timestamp, marker, payload }));
  }

  const audioRtp = (t: number) => (4_000_000_000 + Math.round(t * 48 * speed)) % 2 ** 32;
  const videoRtp = (t: number) => (o.videoStart + Math.round(t * 90 * speed)) % 2 ** 32;

  function audio(): void {
    const n = sent.audio++;
    const t = (n * 20) / speed;
    const payload = new Uint8Array(20);
    payload[0] = 0xfc;
    putU32(payload, 1, n);
    const seq = audioSeq++ & 0xffff;
    const p = buildRtp({ payloadType: 111, ssrc: 10, seq, timestamp: audioRtp(t), marker: false, payload });
    clock.at(arrival(t), () => push(p));
    const next = (sent.audio * 20) / speed;
    if (next < until) clock.at(next, audio);
  }

  function video(): void {
    const n = sent.video++;
    const t = (n * 100) / 3;
    const keyframe = n % 300 === 0;
    const at = arrival(t);
    for (let i = 0; i < PACKETS_PER_FRAME; i++) {
      const head = i === 0 ? (keyframe ? keyframe640x480 : Uint8Array.of(0x31)) : new Uint8Array(10).fill(7);
      const payload = new Uint8Array(4 + head.length + 4);
      payload.set([i === 0 ? 0x90 : 0x80, 0x80, 0x80 | ((n >> 8) & 0x7f), n & 0xff]);
      payload.set(head, 4);
      putU32(payload, 4 + head.length, n);
      const seq = videoSeq++ & 0xffff;
      const marker = i === PACKETS_PER_FRAME - 1;
      const p = buildRtp({ payloadType: 96, ssrc: 20, seq, timestamp: videoRtp(t), marker, payload });
      ring[seq % RING] = p;
      // The last packets have no one behind them to tell that they are missing.
      if (random() < o.loss && t < until - 1000) sent.dropped++;
      else clock.at(at, () => push(p.slice()));
    }
    const next = (sent.video * 100) / 3;
    if (next < until) clock.at(next, video);
  }

  function report(): void {
    const t = clock.now;
    const ntp = wallToNtp(wallMillis(WALL + t * speed));
    const base = { ntp, octets: 0, reports: [] };
    const a = buildSenderReport({ ...base, ssrc: 10, rtpTime: audioRtp(t), packets: sent.audio >>> 0 });
    const v = buildSenderReport({ ...base, ssrc: 20, rtpTime: videoRtp(t), packets: (4 * sent.video) >>> 0 });
    const at = arrival(t);
    clock.at(at, () => push(compound([a])));
    clock.at(at, () => push(compound([v])));
    clock.after(1000, report);
  }

  audio();
  video();
  clock.at(500, report);
  const hour = 3_600_000;
  for (let h = 1; h * hour <= o.durationMs; h++) {
    clock.runUntil(h * hour);
    o.onHour?.(h);
  }
  clock.runUntil(o.durationMs);
  return { statistics: receiver.statistics(clock.now), faults: faults.snapshot(), sent, outOfOrder, frames };
}
