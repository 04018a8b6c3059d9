import { describe, expect, test } from "vitest";
import { equalBytes } from "../../../src/core/bytes.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import { type FrameSent, MediaSender } from "../../../src/core/media/media-sender.ts";
import type { PlacedFrame } from "../../../src/core/media/received-track.ts";
import type { SampleIndex } from "../../../src/core/media/sample-index.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { isRtcp } from "../../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { type Millis, millis } from "../../../src/core/time.ts";
import { Netem, type NetworkName, networkProfiles } from "../../support/netem.ts";

const FPS = 30;
const SECONDS = 4;

/** Four seconds of video and audio; every frame carries its number. */
function clip() {
  const random = seededRandom(3);
  const noise = (n: number) => Uint8Array.from({ length: n }, () => 1 + randomInt(random, 255));
  const video = Array.from({ length: SECONDS * FPS }, (_, i) => {
    const key = i % FPS === 0;
    const data = noise(key ? 12_000 : 3000 + (i % 50));
    data.set(key ? [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] : [0x11]);
    data[10] = i >> 8;
    data[11] = i & 0xff;
    return data;
  });
  const audio = Array.from({ length: SECONDS * 50 }, (_, i) => {
    const data = noise(80);
    data[0] = 0xfc;
    data[1] = i >> 8;
    data[2] = i & 0xff;
    return data;
  });
  const index: SampleIndex = {
    video: video.map((d, i) => ({
      time: Math.round((i * 1e6) / FPS),
      size: d.length,
      keyframe: i % FPS === 0,
    })),
    audio: audio.map((d, i) => ({ time: i * 20_000, size: d.length })),
    durationUs: SECONDS * 1e6,
  };
  return { index, video, audio };
}

const extensions = new Map([
  [1, ExtensionUri.audioLevel],
  [2, ExtensionUri.absSendTime],
  [3, ExtensionUri.transportCc],
  [4, ExtensionUri.mid],
]);

function negotiated(feedback: readonly string[]): NegotiatedMedia[] {
  const base = { receiving: true, extensions, remoteSsrcs: [], remoteRids: [], rtcpRsize: false };
  return [
    {
      ...base,
      mid: "0",
      kind: "audio",
      payloads: [
        {
          payloadType: 111,
          codec: "opus",
          clockRate: 48_000,
          channels: 2,
          fmtp: "",
          feedback: ["transport-cc"],
        },
      ],
    },
    {
      ...base,
      mid: "1",
      kind: "video",
      payloads: [
        { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback },
        { payloadType: 97, codec: "rtx", clockRate: 90_000, fmtp: "apt=96", feedback: [], apt: 96 },
      ],
    },
  ];
}

const ids = { mid: 4, absSendTime: 2, transportCc: 3, audioLevel: 1 };
const allFeedback = ["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"];

/** A sender and a receiver in virtual time, a millisecond a step, over an emulated network. */
function call(o: { profile: NetworkName; seed: number; seconds: number; feedback?: readonly string[] }) {
  const media = clip();
  const random = seededRandom(o.seed);
  const sent: FrameSent[] = [];
  const sender = new MediaSender({
    index: media.index,
    audio: { codec: opus, ssrc: 10, payloadType: 111, mid: "0", extensions: ids },
    video: {
      codec: vp8,
      ssrc: 20,
      payloadType: 96,
      rtx: { ssrc: 21, payloadType: 97 },
      mid: "1",
      extensions: ids,
    },
    read: (kind, i) => media[kind][i] ?? new Uint8Array(0),
    cname: "sender",
    start: millis(1000),
    wallOffsetMs: 1.7e12,
    random,
    onFrameSent: (f) => sent.push(f),
  });
  const faults = new FaultCounter();
  const receiver = new ConnectionReceiver({ random, cname: "receiver", maxBitrate: 4e6, faults });
  receiver.configure(negotiated(o.feedback ?? allFeedback));
  const there = new Netem<Uint8Array>(networkProfiles[o.profile], random);
  const back = new Netem<Uint8Array>(networkProfiles[o.profile], random);
  const frames: { mid: string; frame: PlacedFrame; at: Millis }[] = [];
  const rtcp: Uint8Array[] = [];
  const drain = (now: Millis) => {
    for (let out = receiver.poll(now); out; out = receiver.poll(now)) {
      if (out.t === "frame") frames.push({ mid: out.mid, frame: out.frame, at: now });
      else if (out.t === "rtcp") {
        rtcp.push(out.data);
        back.push({ item: out.data, bytes: out.data.length }, now);
      }
    }
  };
  for (let t = 1000; t < 1000 + o.seconds * 1000; t++) {
    const now = millis(t);
    for (let p = sender.poll(now); p; p = sender.poll(now)) there.push({ item: p, bytes: p.length }, now);
    for (let p = there.poll(now); p; p = there.poll(now)) {
      receiver.push(p.slice(), now);
      drain(now);
    }
    for (let p = back.poll(now); p; p = back.poll(now)) sender.onRtcp(p, now);
    if ((receiver.deadline ?? Number.POSITIVE_INFINITY) <= now) drain(now);
  }
  receiver.flush(millis(1000 + o.seconds * 1000));
  drain(millis(1000 + o.seconds * 1000));
  return { media, sender, receiver, sent, frames, rtcp, faults };
}

const sameFrame = (f: PlacedFrame, clip: readonly Uint8Array[]) =>
  equalBytes(f.data, clip[number(f)] ?? f.data.subarray(1));
const number = (f: PlacedFrame) => ((f.data[10] ?? 0) << 8) | (f.data[11] ?? 0);

describe.each<NetworkName>(["clean", "wifi", "lossy", "bursty", "reordering"])(
  "over a %s network",
  (profile) => {
    test("every frame comes out whole, in order and once, and sound and picture agree", () => {
      const { media, sent, frames, receiver } = call({ profile, seed: 11, seconds: 6 });
      const video = frames.filter((f) => f.mid === "1");
      expect(video.length).toBeGreaterThan(60);
      expect(video[0]?.frame.keyframe).toBe(true);
      expect(video.filter(({ frame }) => !sameFrame(frame, media.video))).toEqual([]);
      const rtp = video.map((f) => f.frame.rtpTime);
      expect(rtp.every((t, i) => i === 0 || t > (rtp[i - 1] ?? 0))).toBe(true);
      // What was sent from the first keyframe on and is not in flight at the end must be there.
      const stats = receiver.statistics(millis(0)).tracks.find((t) => t.kind === "video");
      const sentVideo = sent.filter((f) => f.track === "video");
      const inFlight = sentVideo.filter((f) => f.now > 7000 - 100).length;
      const missing = sentVideo.length - video.length - inFlight;
      expect(missing).toBeLessThanOrEqual(profile === "clean" ? 0 : 0.03 * sentVideo.length);
      expect(stats?.synchronized).toBe(true);
      // Placed times run with media time: no jitter of the network is left in them.
      const first = video[0]?.frame;
      const offsets = video.map(
        ({ frame: f }) => f.local - (first?.local ?? 0) - (f.rtpTime - (first?.rtpTime ?? 0)) / 90,
      );
      expect(Math.max(...offsets.map(Math.abs))).toBeLessThan(10);
    });
  },
);

test("sound and picture of one moment get the same time, although they start apart and jitter differently", () => {
  const { sent, frames } = call({ profile: "wifi", seed: 5, seconds: 4 });
  const first = (kind: "audio" | "video") => sent.find((f) => f.track === kind);
  const local = (mid: string, n: number) => frames.filter((f) => f.mid === mid)[n]?.frame.local ?? Number.NaN;
  const apart = (first("video")?.mediaTimeUs ?? 0) - (first("audio")?.mediaTimeUs ?? 0);
  expect(Math.abs(local("1", 0) - local("0", 0) - apart / 1000)).toBeLessThan(40);
});

test("without NACK a lost frame costs the frames up to the next keyframe and nothing else", () => {
  const { media, frames, receiver } = call({
    profile: "lossy",
    seed: 4,
    seconds: 10,
    feedback: ["nack pli", "transport-cc"],
  });
  const video = frames.filter((f) => f.mid === "1");
  expect(video.filter(({ frame }) => !sameFrame(frame, media.video))).toEqual([]);
  for (let i = 1; i < video.length; i++) {
    const step = number(video[i]?.frame as PlacedFrame) - number(video[i - 1]?.frame as PlacedFrame);
    if (step !== 1 && step !== 1 - SECONDS * FPS) expect(video[i]?.frame.keyframe).toBe(true);
  }
  expect(
    receiver.statistics(millis(0)).tracks.find((t) => t.kind === "video")?.keyframeRequests,
  ).toBeGreaterThan(0);
});

test("all RTCP is compound, starts with a report and names us", () => {
  const { rtcp } = call({ profile: "lossy", seed: 9, seconds: 5 });
  expect(rtcp.length).toBeGreaterThan(20);
  const kinds = new Set<string>();
  for (const b of rtcp) {
    expect(isRtcp(b)).toBe(true);
    const parsed = parseRtcp(b);
    expect(parsed.malformed).toBe(0);
    expect(parsed.packets[0]?.type).toBe("rr");
    expect(parsed.packets[1]).toMatchObject({ type: "sdes", chunks: [{ cname: "receiver" }] });
    for (const p of parsed.packets) kinds.add(p.type);
  }
  expect([...kinds].sort()).toEqual(expect.arrayContaining(["nack", "remb", "rr", "sdes", "twcc", "xr"]));
});

test("garbage between the packets changes nothing but the counters", () => {
  const random = seededRandom(1);
  const faults = new FaultCounter();
  const receiver = new ConnectionReceiver({ random, cname: "r", maxBitrate: 1e6, faults });
  receiver.configure(negotiated(allFeedback));
  for (let i = 0; i < 30_000; i++) {
    const b = Uint8Array.from({ length: randomInt(random, 60) }, () => randomInt(random, 256));
    if (b.length > 1 && random() < 0.7) b[0] = 0x80 | ((b[0] ?? 0) & 0x3f);
    if (b.length > 1 && random() < 0.5)
      b[1] = [96, 97, 111, 200, 201, 205, 206, 207][randomInt(random, 8)] ?? 96;
    receiver.push(b, millis(i));
    for (let out = receiver.poll(millis(i)); out; out = receiver.poll(millis(i)));
  }
  expect(faults.of("rtp-malformed")).toBeGreaterThan(0);
});
