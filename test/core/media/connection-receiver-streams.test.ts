import { expect, test } from "vitest";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { buildRtp } from "../../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../../src/core/sdp/negotiated.ts";
import { millis } from "../../../src/core/time.ts";

const section = (mid: string, payloadType: number): NegotiatedMedia => ({
  mid,
  kind: "video",
  receiving: true,
  payloads: [{ payloadType, codec: "vp8", clockRate: 90_000, fmtp: "", feedback: ["nack", "nack pli"] }],
  extensions: new Map(),
  remoteSsrcs: [],
  remoteRids: [],
  rtcpRsize: false,
});

const keyframe = Uint8Array.of(0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00, 7);
const delta = Uint8Array.of(0x10, 0x11, 7);

/** A packet that is a frame of its own; the first of a stream is a keyframe. */
const packet = (ssrc: number, seq: number, key = seq === 1) =>
  buildRtp({
    ssrc,
    payloadType: ssrc,
    seq,
    timestamp: seq * 3000,
    marker: true,
    payload: key ? keyframe : delta,
  });

function receiver(): ConnectionReceiver {
  const r = new ConnectionReceiver({
    random: seededRandom(1),
    cname: "receiver",
    maxBitrate: 1e6,
    faults: new FaultCounter(),
  });
  r.configure([section("0", 96), section("1", 97)]);
  return r;
}

/** Everything the receiver has to say at `t`: mids of frames, and media SSRCs of NACKs. */
function drain(r: ConnectionReceiver, t: number): { frames: string[]; nacks: number[] } {
  const frames: string[] = [];
  const nacks: number[] = [];
  for (let out = r.poll(millis(t)); out; out = r.poll(millis(t))) {
    if (out.t === "frame") frames.push(out.mid);
    else if (out.t === "rtcp")
      for (const p of parseRtcp(out.data).packets) if (p.type === "nack") nacks.push(p.media);
  }
  return { frames, nacks };
}

test("what one stream misses is asked for in time while packets of another come", () => {
  const r = receiver();
  for (const seq of [1, 2, 4]) r.push(packet(96, seq), millis(1000));
  expect(drain(r, 1000).nacks).toEqual([]);
  const asked: { t: number; ssrc: number }[] = [];
  for (let t = 1001; t < 1060; t++) {
    r.push(packet(97, t - 1000), millis(t));
    for (const ssrc of drain(r, t).nacks) asked.push({ t, ssrc });
  }
  expect(asked[0]?.ssrc).toBe(96);
  expect(asked[0]?.t).toBeLessThanOrEqual(1011);
});

test("the deadline speaks for every stream, and polling at it moves it on", () => {
  const r = receiver();
  for (const seq of [1, 2, 4]) r.push(packet(96, seq), millis(1000));
  drain(r, 1000);
  r.push(packet(97, 1), millis(1001));
  drain(r, 1001);
  const due = r.deadline ?? 0;
  expect(due).toBeGreaterThan(1001);
  expect(due).toBeLessThanOrEqual(1011);
  expect(drain(r, due).nacks).toEqual([96]);
  expect(r.deadline ?? 0).toBeGreaterThan(due);
});

test("frames of streams that were fed before one poll all come out", () => {
  const r = receiver();
  r.push(packet(96, 1), millis(1000));
  r.push(packet(97, 1), millis(1000));
  r.push(packet(96, 2), millis(1000));
  r.push(packet(97, 2), millis(1000));
  // Without a sender report frames wait a while before the first one goes out.
  expect(drain(r, 1000).frames).toEqual([]);
  r.flush(millis(1001));
  expect(r.deadline).toBe(0);
  expect(drain(r, 1001).frames.sort()).toEqual(["0", "0", "1", "1"]);
});

test("a stream that came before the description that names it moves to its m-line", () => {
  const r = receiver();
  r.configure([section("0", 96)]);
  r.push(packet(96, 1), millis(1000));
  r.configure([section("0", 96), { ...section("1", 96), remoteSsrcs: [{ ssrc: 96 }] }]);
  r.push(packet(96, 2, true), millis(1010));
  r.push(packet(96, 3), millis(1020));
  r.flush(millis(1030));
  expect(drain(r, 1030).frames).toEqual(["0", "1", "1"]);
});
