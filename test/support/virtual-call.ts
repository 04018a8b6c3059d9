import { codecByName } from "../../src/core/codecs/registry.ts";
import { FaultCounter } from "../../src/core/fault.ts";
import type { CodecName } from "../../src/core/frame.ts";
import { ConnectionReceiver } from "../../src/core/media/connection-receiver.ts";
import { type FrameSent, MediaSender } from "../../src/core/media/media-sender.ts";
import type { PlacedFrame, ReceivedTrack } from "../../src/core/media/received-track.ts";
import type { SampleIndex } from "../../src/core/media/sample-index.ts";
import { seededRandom } from "../../src/core/random.ts";
import { ExtensionUri } from "../../src/core/rtp/extensions.ts";
import { isRtcp } from "../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { type Millis, millis } from "../../src/core/time.ts";
import { Netem, type NetworkProfile } from "./netem.ts";

const ids = { mid: 4, absSendTime: 2, transportCc: 3, audioLevel: 1 };
const START_MS = 1000;

/** A call in virtual time: one sender, one receiver, an emulated network in both directions. */
export type VirtualCall = {
  readonly index: SampleIndex;
  readonly read: (kind: "audio" | "video", sample: number) => Uint8Array;
  readonly video: CodecName;
  readonly profile: NetworkProfile;
  readonly seed: number;
  readonly seconds: number;
  /** RTCP feedback of the video. */
  readonly feedback: readonly string[];
};

/** What came of a call. */
export type CallResult = {
  readonly frames: readonly {
    readonly kind: "audio" | "video";
    readonly frame: PlacedFrame;
    readonly at: Millis;
  }[];
  readonly sent: readonly FrameSent[];
  readonly tracks: readonly ReceivedTrack[];
  readonly dropped: number;
};

function negotiated(o: VirtualCall): NegotiatedMedia[] {
  const extensions = new Map([
    [ids.audioLevel, ExtensionUri.audioLevel],
    [ids.absSendTime, ExtensionUri.absSendTime],
    [ids.transportCc, ExtensionUri.transportCc],
    [ids.mid, ExtensionUri.mid],
  ]);
  const base = { receiving: true, extensions, remoteSsrcs: [], remoteRids: [], rtcpRsize: false };
  const opus = { payloadType: 111, codec: "opus", clockRate: 48_000, channels: 2, fmtp: "" };
  const rtx = { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 };
  const video = { payloadType: 96, codec: o.video, clockRate: 90_000, fmtp: "", feedback: o.feedback };
  return [
    { ...base, mid: "0", kind: "audio", payloads: [{ ...opus, feedback: ["transport-cc", "nack"] }] },
    { ...base, mid: "1", kind: "video", payloads: [video, rtx] },
  ];
}

/** A sender that answers these skips a part of its clip: what it sends would depend on the network. */
function asksForKeyframe(rtcp: Uint8Array): boolean {
  return parseRtcp(rtcp).packets.some((p) => p.type === "pli" || p.type === "fir");
}

/** Runs a call, a millisecond a step. The last two seconds nothing is sent, so that everything can arrive. */
export function virtualCall(o: VirtualCall): CallResult {
  const random = seededRandom(o.seed);
  const sent: FrameSent[] = [];
  const audio = codecByName("opus");
  const video = codecByName(o.video);
  if (!audio || !video) throw new Error(`no codec ${o.video}`);
  const rtx = { ssrc: 21, payloadType: 97 };
  const sender = new MediaSender({
    index: o.index,
    audio: { codec: audio, ssrc: 10, payloadType: 111, mid: "0", extensions: ids },
    video: { codec: video, ssrc: 20, payloadType: 96, rtx, mid: "1", extensions: ids },
    read: o.read,
    cname: "sender",
    start: millis(START_MS),
    wallOffsetMs: 1.7e12,
    random: seededRandom(1),
    onFrameSent: (f) => sent.push(f),
  });
  const receiver = new ConnectionReceiver({
    random,
    cname: "r",
    maxBitrate: 8e6,
    faults: new FaultCounter(),
  });
  receiver.configure(negotiated(o));
  const there = new Netem<Uint8Array>(o.profile, random);
  const back = new Netem<Uint8Array>(o.profile, random);
  const frames: { kind: "audio" | "video"; frame: PlacedFrame; at: Millis }[] = [];
  const drain = (now: Millis) => {
    for (let out = receiver.poll(now); out; out = receiver.poll(now)) {
      if (out.t === "frame")
        frames.push({ kind: out.mid === "0" ? "audio" : "video", frame: out.frame, at: now });
      else if (out.t === "rtcp") back.push({ item: out.data, bytes: out.data.length }, now);
    }
  };
  const lastSent = START_MS + o.seconds * 1000;
  const over = lastSent + 2000;
  const known = new Set<string>();
  for (let t = START_MS; t < over; t++) {
    const now = millis(t);
    for (let p = sender.poll(now); p; p = sender.poll(now)) {
      const number = `${p.subarray(8, 12)}/${p.subarray(2, 4)}`;
      // Past the end only repairs of what was sent before, and reports.
      const repair = isRtcp(p) || known.has(number) || (p[1] ?? 0) % 128 === rtx.payloadType;
      if (t >= lastSent && !repair) continue;
      known.add(number);
      there.push({ item: p.slice(), bytes: p.length }, now);
    }
    for (let p = there.poll(now); p; p = there.poll(now)) {
      receiver.push(p.slice(), now);
      drain(now);
    }
    for (let p = back.poll(now); p; p = back.poll(now)) if (!asksForKeyframe(p)) sender.onRtcp(p, now);
    if ((receiver.deadline ?? Number.POSITIVE_INFINITY) <= now) drain(now);
  }
  receiver.flush(millis(over));
  drain(millis(over));
  return {
    frames,
    sent: sent.filter((f) => f.now < lastSent),
    tracks: receiver.statistics(millis(over)).tracks,
    dropped: there.dropped,
  };
}
