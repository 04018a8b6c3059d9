import { describe, expect, it } from "vitest";
import { type InboundSnapshot, inboundStats } from "../../../src/core/stats/inbound.ts";
import { type OutboundSnapshot, outboundStats } from "../../../src/core/stats/outbound.ts";
import type { StatsScope } from "../../../src/core/stats/scope.ts";
import { transportStats } from "../../../src/core/stats/transport.ts";
import { type AnyRtcStats, statsReport } from "../../../src/core/stats/webrtc-stats.ts";
import { wallMillis, wallToNtp } from "../../../src/core/time.ts";

const scope: StatsScope = { link: "link-1", at: wallMillis(1_700_000_000_000) };

const video: InboundSnapshot = {
  ssrc: 77,
  kind: "video",
  mid: "1",
  rid: "h",
  track: "ann/camera",
  format: { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "" },
  packets: 1000,
  lostBeforeRepair: 20,
  jitterMs: 4.5,
  bytes: 900_000,
  headerBytes: 20_000,
  rtx: { ssrc: 78, packets: 18, bytes: 17_000 },
  lastPacketAt: wallMillis(1_699_999_999_990),
  nackPackets: 9,
  nacks: 31,
  keyframeRequests: 3,
  firs: 1,
  frames: 290,
  gatedFrames: 4,
  abandonedFrames: 1,
  keyframes: 2,
  multiPacketFrames: 200,
  width: 640,
  height: 360,
  framesPerSecond: 30,
  freezes: { count: 2, totalMs: 1250 },
  ledger: { expected: 1015, received: 995, recovered: 17, lost: 1, pending: 2, duplicates: 6, stale: 0 },
  synchronized: true,
  timelineRestarts: 0,
  jitterP95Ms: 9,
  report: {
    packets: 1015,
    octets: 910_000,
    ntp: wallToNtp(wallMillis(1_699_999_990_500)),
    receivedAt: wallMillis(1_699_999_999_000),
    count: 12,
    rttMs: 42,
  },
};

const audio: InboundSnapshot = {
  ssrc: 5,
  kind: "audio",
  mid: "0",
  packets: 50,
  lostBeforeRepair: -3,
  jitterMs: 1,
  bytes: 5000,
  headerBytes: 600,
  nackPackets: 0,
  nacks: 0,
  keyframeRequests: 0,
  firs: 0,
  multiPacketFrames: 0,
  freezes: { count: 1, totalMs: 700 },
  frames: 50,
  gatedFrames: 0,
  abandonedFrames: 0,
  keyframes: 50,
  ledger: { expected: 47, received: 47, recovered: 0, lost: 0, pending: 0, duplicates: 3, stale: 0 },
  synchronized: false,
  timelineRestarts: 0,
  audioLevel: 20,
};

const sent: OutboundSnapshot = {
  kind: "video",
  ssrc: 9,
  mid: "2",
  rtxSsrc: 10,
  format: { payloadType: 102, codec: "h264", clockRate: 90_000, fmtp: "packetization-mode=1" },
  packets: 500,
  octets: 400_000,
  retransmittedPackets: 7,
  retransmittedOctets: 7000,
  frames: 100,
  keyframes: 2,
  nack: { packets: 3, requested: 9, gone: 1, cooling: 1, refused: 0 },
  pliCount: 1,
  firCount: 0,
  targetBps: 800_000,
};

const byType = (objects: readonly AnyRtcStats[], type: AnyRtcStats["type"]) =>
  objects.find((o) => o.type === type);

describe("inbound-rtp", () => {
  const stats = byType(inboundStats(scope, video), "inbound-rtp");

  it("has the names, units and sums of webrtc-stats", () => {
    expect(stats).toEqual({
      type: "inbound-rtp",
      id: "link-1/inbound-rtp/77",
      timestamp: 1_700_000_000_000,
      ssrc: 77,
      kind: "video",
      transportId: "link-1/transport",
      codecId: "link-1/codec/96",
      trackIdentifier: "ann/camera",
      mid: "1",
      rid: "h",
      remoteId: "link-1/remote-outbound-rtp/77",
      // Retransmissions are packets received as well; loss is what reception reports say.
      packetsReceived: 1018,
      packetsLost: 20,
      jitter: 0.0045,
      bytesReceived: 900_000,
      headerBytesReceived: 20_000,
      retransmittedPacketsReceived: 18,
      retransmittedBytesReceived: 17_000,
      rtxSsrc: 78,
      lastPacketReceivedTimestamp: 1_699_999_999_990,
      nackCount: 9,
      pliCount: 2,
      firCount: 1,
      framesReceived: 294,
      framesDropped: 4,
      framesAssembledFromMultiplePackets: 200,
      frameWidth: 640,
      frameHeight: 360,
      framesPerSecond: 30,
      freezeCount: 2,
      totalFreezesDuration: 1.25,
      roomtap: {
        expected: 1015,
        received: 995,
        recovered: 17,
        lost: 1,
        pending: 2,
        duplicates: 6,
        stale: 0,
        nackedPackets: 31,
        keyframes: 2,
        framesAbandoned: 1,
        synchronized: true,
        timelineRestarts: 0,
        jitterP95: 0.009,
      },
    });
  });

  it("leaves out of audio what is a picture's, and what is not known", () => {
    const [only, ...rest] = inboundStats(scope, audio);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ packetsReceived: 50, packetsLost: -3, audioLevel: 0.1 });
    for (const name of Object.keys(only ?? {})) expect(name).not.toMatch(/frame|freeze|pli|fir|rtx|codecId/i);
    expect(only?.type === "inbound-rtp" && only.roomtap).not.toHaveProperty("keyframes");
    expect(Object.values(only ?? {})).not.toContain(undefined);
  });

  it.each([
    [0, 1],
    [6, 0.501],
    [126, 5e-7],
    [127, 0],
  ])("turns an audio level of -%d dBov into %d", (audioLevel, linear) => {
    const [only] = inboundStats(scope, { ...audio, audioLevel });
    expect(only?.type === "inbound-rtp" && only.audioLevel).toBeCloseTo(linear, 3);
  });
});

describe("the other side's view", () => {
  it("is remote-outbound-rtp after a sender report", () => {
    expect(byType(inboundStats(scope, video), "remote-outbound-rtp")).toEqual({
      type: "remote-outbound-rtp",
      id: "link-1/remote-outbound-rtp/77",
      timestamp: 1_699_999_999_000,
      ssrc: 77,
      kind: "video",
      transportId: "link-1/transport",
      codecId: "link-1/codec/96",
      localId: "link-1/inbound-rtp/77",
      packetsSent: 1015,
      bytesSent: 910_000,
      remoteTimestamp: expect.closeTo(1_699_999_990_500, 2),
      reportsSent: 12,
      roundTripTime: 0.042,
    });
  });

  it("is remote-inbound-rtp after a report on a stream of ours, and not before", () => {
    expect(byType(outboundStats(scope, sent), "remote-inbound-rtp")).toBeUndefined();
    const reported = { ...sent, packetsLost: -1, fractionLost: 0.25, jitterMs: 8, rttMs: 120 };
    const objects = outboundStats(scope, reported);
    expect(byType(objects, "remote-inbound-rtp")).toMatchObject({
      id: "link-1/remote-inbound-rtp/9",
      localId: "link-1/outbound-rtp/9",
      packetsLost: -1,
      fractionLost: 0.25,
      jitter: 0.008,
      roundTripTime: 0.12,
    });
    expect(byType(objects, "outbound-rtp")).toMatchObject({ remoteId: "link-1/remote-inbound-rtp/9" });
  });
});

describe("what we send", () => {
  it("is outbound-rtp with retransmissions included, and its codec", () => {
    const objects = outboundStats(scope, sent);
    expect(byType(objects, "outbound-rtp")).toMatchObject({
      packetsSent: 507,
      bytesSent: 407_000,
      retransmittedPacketsSent: 7,
      retransmittedBytesSent: 7000,
      rtxSsrc: 10,
      framesSent: 100,
      targetBitrate: 800_000,
      nackCount: 3,
      roomtap: { keyframesSent: 2, nackedPackets: 9, nackedGone: 1 },
    });
    expect(byType(objects, "codec")).toEqual({
      type: "codec",
      id: "link-1/codec/102",
      timestamp: scope.at,
      payloadType: 102,
      transportId: "link-1/transport",
      mimeType: "video/H264",
      clockRate: 90_000,
      sdpFmtpLine: "packetization-mode=1",
    });
  });
});

describe("the path", () => {
  it("names the candidates in use", () => {
    const objects = transportStats(scope, {
      packetsReceived: 10,
      bytesReceived: 1000,
      pair: { local: "host UDP 192.0.2.1:5000", remote: "srflx UDP 2001:db8::7:6000" },
      rttMs: 35,
      rembBps: 4_000_000,
    });
    const report = statsReport(objects);
    expect(Object.keys(report)).toEqual([
      "link-1/transport",
      "link-1/candidate-pair",
      "link-1/local-candidate",
      "link-1/remote-candidate",
    ]);
    expect(report["link-1/transport"]).toMatchObject({
      bytesReceived: 1000,
      selectedCandidatePairId: "link-1/candidate-pair",
      roomtap: { roundTripTime: 0.035, maxBitrateStated: 4_000_000 },
    });
    expect(report["link-1/remote-candidate"]).toMatchObject({
      candidateType: "srflx",
      protocol: "udp",
      address: "2001:db8::7",
      port: 6000,
    });
  });

  it.each([undefined, { local: "?", remote: "host UDP 192.0.2.1:1" }])(
    "is a transport alone while the pair is %j",
    (pair) => {
      expect(transportStats(scope, { pair }).map((o) => o.type)).toEqual(["transport"]);
    },
  );
});

describe("a report", () => {
  it("is plain JSON in which every id leads somewhere", () => {
    const objects = [
      ...transportStats(scope, { pair: { local: "host UDP a:1", remote: "relay TCP b:2" } }),
      ...inboundStats(scope, video),
      ...inboundStats(scope, audio),
      ...outboundStats(scope, { ...sent, packetsLost: 0 }),
    ];
    const report = statsReport(objects);
    expect(Object.keys(report)).toHaveLength(objects.length);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    for (const o of objects)
      for (const [key, value] of Object.entries(o))
        if (/Id$/.test(key)) expect(report[String(value)], key).toBeDefined();
  });
});
