import { codecByName } from "../../src/core/codecs/registry.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import type { CodecName } from "../../src/core/frame.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import { MediaSender } from "../../src/core/media/media-sender.ts";
import { seededRandom } from "../../src/core/random.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import { isRtcp } from "../../src/core/rtp/packet.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { type Millis, millis } from "../../src/core/time.ts";
import type { Clip } from "./clip.ts";

/** A datagram as it reached the receiver. */
export type Arrival = {
  readonly bytes: Uint8Array;
  readonly at: Millis;
  readonly kind: "media" | "rtx" | "rtcp";
};

/** Everything that one sender's packets were, for playing them to a receiver again and again. */
export type Trace = {
  readonly codec: CodecName;
  readonly arrivals: readonly Arrival[];
  /** RTP packets among them. */
  readonly packets: number;
  readonly media: readonly NegotiatedMedia[];
};

/** What came out of a receiver. */
export type Replay = { readonly frames: number; readonly bytes: number; readonly rtcp: number };

/** Octets of the largest RTP packet. */
const MAX_PACKET = 1100;
const ONE_WAY_MS = 20;
const START_MS = 1000;
const SSRC = 20;
const RTX_SSRC = 21;
const PAYLOAD_TYPE = 96;
const RTX_PAYLOAD_TYPE = 97;
const ids = { mid: 4, absSendTime: 2, transportCc: 3, audioLevel: 1 };

/** What both sides agreed on. */
function agreed(codec: CodecName): NegotiatedMedia[] {
  const found = codecByName(codec);
  if (!found) throw new Error(`no codec ${codec}`);
  const common = {
    mid: "0",
    kind: found.kind,
    receiving: true,
    extensions: new Map([
      [ids.audioLevel, ExtensionUri.audioLevel],
      [ids.absSendTime, ExtensionUri.absSendTime],
      [ids.transportCc, ExtensionUri.transportCc],
      [ids.mid, ExtensionUri.mid],
    ]),
    remoteSsrcs: [],
    remoteRids: [],
    rtcpRsize: false,
  };
  const rtpName = found.rtpName.toLowerCase();
  const primary = { payloadType: PAYLOAD_TYPE, codec: rtpName, clockRate: found.clockRate };
  if (found.kind === "audio") {
    const feedback = ["transport-cc"];
    return [{ ...common, payloads: [{ ...primary, fmtp: "", feedback }] }];
  }
  const fmtp = codec === "h264" ? "packetization-mode=1;profile-level-id=42e01f" : "";
  const feedback = ["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"];
  const rtx = { payloadType: RTX_PAYLOAD_TYPE, codec: "rtx", clockRate: 90_000, apt: PAYLOAD_TYPE };
  const payloads = [
    { ...primary, fmtp, feedback },
    { ...rtx, fmtp: `apt=${PAYLOAD_TYPE}`, feedback: [] },
  ];
  return [{ ...common, payloads }];
}

/** A receiver for a trace's packets. */
export function newReceiver(media: readonly NegotiatedMedia[]): ConnectionReceiver {
  const random = seededRandom(2);
  const faults = new FaultCounter();
  const receiver = new ConnectionReceiver({ random, cname: "bench", maxBitrate: 4e6, faults });
  receiver.configure(media);
  return receiver;
}

/** A sender of a clip. `random` decides its numbers. */
export function newSender(clip: Clip, codec: CodecName, seed: number): MediaSender {
  const found = codecByName(codec);
  if (!found) throw new Error(`no codec ${codec}`);
  const track = {
    codec: found,
    ssrc: SSRC,
    payloadType: PAYLOAD_TYPE,
    mid: "0",
    extensions: ids,
    ...(found.kind === "video" ? { rtx: { ssrc: RTX_SSRC, payloadType: RTX_PAYLOAD_TYPE } } : {}),
  };
  return new MediaSender({
    index: clip.index,
    [found.kind]: track,
    read: (_kind, i) => clip.frames[i] ?? new Uint8Array(0),
    cname: "sender",
    start: millis(START_MS),
    wallOffsetMs: 1.7e12,
    random: seededRandom(seed),
    maxPacket: MAX_PACKET,
  });
}

/**
 * Sends a clip once over a path of 20 ms that loses a share `loss` of the RTP packets, and notes what arrives.
 * A live receiver answers, so lost packets come again by RTX.
 */
export function recordTrace(clip: Clip, codec: CodecName, loss: number): Trace {
  const random = seededRandom(9);
  const media = agreed(codec);
  const receiver = newReceiver(media);
  const sender = newSender(clip, codec, 7);
  const arrivals: Arrival[] = [];
  const there: { bytes: Uint8Array; at: number }[] = [];
  const back: { bytes: Uint8Array; at: number }[] = [];
  let packets = 0;
  const end = START_MS + clip.index.durationUs / 1000;
  for (let t = START_MS; t < end; t++) {
    const now = millis(t);
    for (let p = sender.poll(now); p; p = sender.poll(now)) {
      // The sender keeps its packets for repeating them.
      if (isRtcp(p) || random() >= loss) there.push({ bytes: p.slice(), at: t + ONE_WAY_MS });
    }
    for (let p = there[0]; p && p.at <= t; p = there[0]) {
      there.shift();
      const kind = isRtcp(p.bytes) ? "rtcp" : payloadType(p.bytes) === RTX_PAYLOAD_TYPE ? "rtx" : "media";
      if (kind !== "rtcp") packets++;
      // The receiver may rewrite its own copy.
      arrivals.push({ bytes: p.bytes.slice(), at: now, kind });
      receiver.push(p.bytes, now);
    }
    for (let out = receiver.poll(now); out; out = receiver.poll(now)) {
      if (out.t === "rtcp") back.push({ bytes: out.data, at: t + ONE_WAY_MS });
    }
    for (let p = back[0]; p && p.at <= t; p = back[0]) {
      back.shift();
      sender.onRtcp(p.bytes, now);
    }
  }
  return { codec, arrivals, packets, media };
}

/** RTX packets are restored in place, so every replay needs its own; the rest is only read. */
export function freshArrivals(trace: Trace): Arrival[] {
  return trace.arrivals.map((a) => (a.kind === "rtx" ? { ...a, bytes: a.bytes.slice() } : a));
}

/** Plays arrivals to a receiver as the peer's pump does: push, drain, and drain at every deadline. */
export function replay(receiver: ConnectionReceiver, arrivals: readonly Arrival[]): Replay {
  let frames = 0;
  let bytes = 0;
  let rtcp = 0;
  const drain = (now: Millis) => {
    for (let out = receiver.poll(now); out; out = receiver.poll(now)) {
      if (out.t === "rtcp") rtcp++;
      else if (out.t === "frame") {
        frames++;
        bytes += out.frame.data.length;
      }
    }
  };
  for (const a of arrivals) {
    const due = receiver.deadline;
    if (due !== undefined && due <= a.at) drain(due);
    receiver.push(a.bytes, a.at);
    drain(a.at);
  }
  const last = arrivals.at(-1)?.at ?? millis(0);
  receiver.flush(last);
  drain(last);
  return { frames, bytes, rtcp };
}

function payloadType(b: Uint8Array): number {
  return (b[1] ?? 0) & 0x7f;
}
