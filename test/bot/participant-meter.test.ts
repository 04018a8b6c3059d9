import { describe, expect, it } from "vitest";
import { ParticipantMeter } from "../../src/bot/participant-meter.ts";
import type { ReceivedTrack } from "../../src/core/media/received-track.ts";
import type { RemoteTrack } from "../../src/core/room.ts";
import { millis } from "../../src/core/time.ts";
import type { LinkStatistics } from "../../src/peer/host.ts";

const WALL = 1_700_000_000_000;
const ann = { id: "p1", name: "Ann", recorder: false };
const camera: RemoteTrack = {
  id: "p1/camera",
  peerId: "p1",
  kind: "video",
  source: "camera",
  linkId: "l1",
  mid: "1",
};

/** A camera of 30 frames and 1 Mbit a second, `seconds` after it began. */
const track = (seconds: number, o: Partial<ReceivedTrack> = {}): ReceivedTrack => ({
  mid: "1",
  ssrc: 7,
  kind: "video",
  codec: "vp8",
  format: { payloadType: 96, codec: "vp8", clockRate: 90_000, fmtp: "", feedback: [] },
  packets: 120 * seconds,
  lostBeforeRepair: 5,
  jitterMs: 4,
  bytes: 125_000 * seconds,
  headerBytes: 1440 * seconds,
  lastPacket: millis(1000 * seconds - 5),
  ledger: {
    expected: 120 * seconds + 5,
    received: 120 * seconds,
    recovered: 3,
    lost: 2,
    pending: 0,
    duplicates: 0,
    stale: 0,
  },
  lost: 2,
  recovered: 3,
  duplicates: 0,
  nackPackets: 2,
  nacks: 4,
  keyframeRequests: 1,
  firs: 0,
  multiPacketFrames: 0,
  freezes: { count: 0, totalMs: 0 },
  report: {
    packets: 120 * seconds,
    octets: 1,
    ntp: { seconds: 1, fraction: 1 },
    receivedAt: millis(500),
    count: seconds,
  },
  frames: 30 * seconds,
  keyframes: 1,
  abandonedFrames: 0,
  gatedFrames: 0,
  synchronized: true,
  timelineRestarts: 0,
  clockSteps: 0,
  timeline: { by: "arrival" },
  width: 640,
  height: 360,
  ...o,
});

const link = (tracks: ReceivedTrack[], o: Partial<LinkStatistics> = {}): LinkStatistics => ({
  linkId: "l1",
  peerId: "p1",
  state: "connected",
  pair: { local: "host UDP 192.0.2.1:4000", remote: "host UDP 192.0.2.2:5000" },
  receiver: { tracks, rttMs: 40, rembBps: 4_000_000 },
  sender: undefined,
  ...o,
});

function measured() {
  const meter = new ParticipantMeter(WALL);
  const at = (seconds: number, links: LinkStatistics[]) =>
    meter.measure(
      millis(1000 * seconds),
      [ann],
      links,
      (linkId, mid) => (linkId === "l1" && mid === "1" ? camera : undefined),
      () => 1234,
    );
  return { meter, at };
}

describe("what people see of a participant", () => {
  it("is rates of the last second, loss after repair, and the way to them", () => {
    const { at } = measured();
    expect(at(1, [link([track(1)])])[0]?.tracks[0]).toMatchObject({ bitrate: 0, framesPerSecond: 0 });
    expect(at(2, [link([track(2)])])).toEqual([
      {
        name: "Ann",
        connected: true,
        rttMs: 40,
        path: { local: "host UDP 192.0.2.1:4000", remote: "host UDP 192.0.2.2:5000" },
        bytesOnDisk: 1234,
        tracks: [
          {
            id: "p1/camera",
            kind: "video",
            source: "camera",
            codec: "vp8",
            bitrate: 1_000_000,
            framesPerSecond: 30,
            lost: 2,
            loss: 2 / 245,
            recovered: 3,
            jitterMs: 4,
            keyframes: 1,
            frames: 60,
            width: 640,
            height: 360,
          },
        ],
      },
    ]);
  });

  it("is nothing of tracks that nobody asked for, and no link when there is none", () => {
    const { at } = measured();
    expect(at(1, [link([track(1, { mid: "9" })])])[0]?.tracks).toEqual([]);
    expect(at(2, [])).toEqual([{ name: "Ann", connected: false, tracks: [], bytesOnDisk: 1234 }]);
  });

  it("starts afresh with a stream that was gone for a while", () => {
    const { at } = measured();
    at(1, [link([track(1)])]);
    at(2, []);
    expect(at(3, [link([track(3)])])[0]?.tracks[0]).toMatchObject({ bitrate: 0, framesPerSecond: 0 });
  });
});

describe("what the manifest keeps of a participant", () => {
  it("is every stream there was, as last seen, and the path of every connection", () => {
    const { meter, at } = measured();
    at(1, [link([track(1)]), link([], { linkId: "l0", state: "connecting", pair: undefined })]);
    at(2, [link([track(2), track(1, { ssrc: 8 })])]);
    // The stream has ended and the native side no longer knows the pair.
    at(3, [link([], { pair: undefined })]);
    at(4, []);
    const [kept, ...rest] = meter.statistics();
    expect(rest).toEqual([]);
    expect(kept?.participantId).toBe("p1");
    expect(kept?.tracks.map((t) => [t.id, t.source, Object.keys(t.statistics)])).toEqual([
      ["p1/camera", "camera", ["l1/inbound-rtp/7", "l1/codec/96", "l1/remote-outbound-rtp/7"]],
      ["p1/camera", "camera", ["l1/inbound-rtp/8", "l1/codec/96", "l1/remote-outbound-rtp/8"]],
    ]);
    expect(kept?.tracks[0]?.statistics["l1/inbound-rtp/7"]).toMatchObject({
      type: "inbound-rtp",
      timestamp: WALL + 2000,
      trackIdentifier: "p1/camera",
      packetsReceived: 240,
      framesReceived: 60,
      framesPerSecond: 30,
      lastPacketReceivedTimestamp: WALL + 1995,
      roomtap: { expected: 245, lost: 2, recovered: 3, jitterP95: expect.closeTo(0.004, 3) },
    });
    expect(kept?.tracks[0]?.statistics["l1/remote-outbound-rtp/7"]).toMatchObject({
      timestamp: WALL + 500,
      reportsSent: 2,
      roundTripTime: 0.04,
    });
    expect(kept?.connections).toHaveLength(1);
    expect(kept?.connections[0]?.["l1/candidate-pair"]).toMatchObject({ state: "succeeded" });
    expect(kept?.connections[0]?.["l1/transport"]).toMatchObject({
      timestamp: WALL + 3000,
      roomtap: { roundTripTime: 0.04, maxBitrateStated: 4_000_000 },
    });
  });
});
