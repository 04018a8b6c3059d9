import { describe, expect, it } from "vitest";
import { opus } from "../../../src/core/codecs/opus.ts";
import { FaultCounter } from "../../../src/core/fault.ts";
import { ConnectionReceiver } from "../../../src/core/media/connection-receiver.ts";
import { MediaSender } from "../../../src/core/media/media-sender.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { isRtcp } from "../../../src/core/rtp/packet.ts";
import type { RtcpPacket } from "../../../src/core/rtp/rtcp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { millis } from "../../../src/core/time.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const START = 1000;
const SOUND = { codec: opus, ssrc: 10, payloadType: 111, extensions: {} };

/** Sound from a sender to a receiver over a path that takes `there` and `back` milliseconds. */
function path(o: { there: number; back: number; seconds: number }) {
  const random = seededRandom(5);
  const clock = new VirtualClock(START);
  const samples = Array.from({ length: 50 }, (_, i) => ({ time: 20_000 * i, size: 40, keyframe: true }));
  const sender = new MediaSender({
    index: { audio: samples, durationUs: 1e6 },
    audio: SOUND,
    read: () => new Uint8Array(40).fill(0xfc),
    cname: "sender",
    start: millis(START),
    wallOffsetMs: 1.7e12,
    random,
  });
  const receiver = new ConnectionReceiver({
    random,
    cname: "receiver",
    maxBitrate: 1e6,
    faults: new FaultCounter(),
  });
  receiver.configure([
    {
      mid: "0",
      kind: "audio",
      receiving: true,
      extensions: new Map(),
      remoteSsrcs: [{ ssrc: 10 }],
      remoteRids: [],
      rtcpRsize: false,
      payloads: [{ payloadType: 111, codec: "opus", clockRate: 48_000, channels: 2, fmtp: "", feedback: [] }],
    },
  ]);
  const rtcp: RtcpPacket[] = [];
  const step = () => {
    for (let p = sender.poll(clock.now); p; p = sender.poll(clock.now)) {
      const packet = p.slice();
      if (isRtcp(packet)) rtcp.push(...parseRtcp(packet).packets);
      clock.after(o.there, (now) => receiver.push(packet, now));
    }
    for (let out = receiver.poll(clock.now); out; out = receiver.poll(clock.now)) {
      if (out.t !== "rtcp") continue;
      const { data } = out;
      rtcp.push(...parseRtcp(data).packets);
      clock.after(o.back, (now) => sender.onRtcp(data, now));
    }
    clock.after(1, step);
  };
  step();
  clock.runUntil(START + 1000 * o.seconds);
  return { rtcp, sender: sender.stats().tracks[0], receiver: receiver.statistics(clock.now) };
}

describe("the round trip", () => {
  it.each([
    [10, 10],
    [70, 50],
    [20, 280],
    [300, 300],
  ])("of %d and %d ms is the same on both sides, with nothing to repair", (there, back) => {
    const { rtcp, sender, receiver } = path({ there, back, seconds: 8 });
    // A step of the clock on either side, and units of 15 us.
    expect(Math.abs((receiver.rttMs ?? 0) - there - back)).toBeLessThan(3);
    expect(Math.abs((sender?.rttMs ?? 0) - there - back)).toBeLessThan(3);
    const asked = rtcp.filter((p) => p.type === "xr" && p.rrtr).length;
    const echoes = rtcp.flatMap((p) => (p.type === "xr" ? p.dlrr : []));
    expect(asked).toBeGreaterThanOrEqual(4);
    // Every reference time that arrived in time for a report is answered once.
    expect(asked - echoes.length).toBeLessThanOrEqual(3);
    expect(new Set(echoes.map((e) => e.lastRr)).size).toBe(echoes.length);
  });

  it("is not known before the first answer", () => {
    expect(path({ there: 50, back: 50, seconds: 0.4 }).receiver.rttMs).toBeUndefined();
  });
});
