import { describe, expect, test } from "vitest";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { seededRandom } from "../../src/core/random.ts";
import type { IceServer, LinkPlan, LinkState, LocalTrack } from "../../src/core/room.ts";
import { isRtcp } from "../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../src/core/rtp/rtcp/parse.ts";
import type { NegotiatedMedia } from "../../src/core/sdp/negotiated.ts";
import { PeerHost } from "../../src/peer/host.ts";
import type { PeerLink } from "../../src/peer/link.ts";
import { monotonicNow, Pump } from "../../src/peer/pump.ts";
import { clipAudio, clipSender, clipVideo } from "../support/clip.ts";
import { FakeNetwork, type FakeNetworkOptions, type FakeTransport } from "../support/fake-transport.ts";
import { networkProfiles } from "../support/netem.ts";
import { until } from "../support/until.ts";

const microphone: LocalTrack = { id: "mic", kind: "audio", source: "microphone", codec: "opus" };
const camera: LocalTrack = { id: "cam", kind: "video", source: "camera", codec: "vp8" };
const screen: LocalTrack = { id: "screen", kind: "video", source: "screen", codec: "vp8" };
const publisher: LinkPlan = { send: [microphone, camera], receive: { audio: 0, video: 0 }, data: true };
const recorder: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: true };

/** A host with everything that came out of it. */
class Bot {
  readonly host: PeerHost;
  readonly frames: { mid: string; frame: PlacedFrame }[] = [];
  readonly states: string[] = [];
  readonly negotiated: (readonly NegotiatedMedia[])[] = [];

  constructor(net: FakeNetwork, seed: number) {
    this.host = new PeerHost({
      transports: net.factory,
      pump: new Pump(),
      random: seededRandom(seed),
      cname: `bot-${seed}`,
      maxBitrate: 2_000_000,
      sender: (_, media, now) => {
        this.negotiated.push(media);
        return clipSender(media, now);
      },
      onFrame: (_, mid, frame) => this.frames.push({ mid, frame }),
      onLink: (_, peerId, state: LinkState) => this.states.push(`${peerId} ${state}`),
      log: () => undefined,
    });
  }

  of(kind: "audio" | "video"): PlacedFrame[] {
    return this.frames.filter((f) => (f.frame.codec === "opus") === (kind === "audio")).map((f) => f.frame);
  }
}

/** A test whose bots are closed after it; all run at the same time. */
const it = test.extend<{ bots: Bot[] }>({
  bots: async ({ task: _ }, use) => {
    const bots: Bot[] = [];
    await use(bots);
    await Promise.all(bots.map((b) => b.host.close()));
  },
});

function two(bots: Bot[], o: FakeNetworkOptions = {}) {
  const net = new FakeNetwork(o);
  const sender = new Bot(net, 1);
  const receiver = new Bot(net, 2);
  bots.push(sender, receiver);
  const a = sender.host.link({ peerId: "receiver", iceServers: [] });
  const b = receiver.host.link({ peerId: "sender", iceServers: [] });
  return { net, sender, receiver, a, b };
}

async function exchange(from: PeerLink, plan: LinkPlan, to: PeerLink, answering: LinkPlan): Promise<void> {
  const { answer } = await to.accept(await from.offer(plan), answering);
  await from.answer(answer);
}

function transportOf(net: FakeNetwork, i: number): FakeTransport {
  const t = net.transports[i];
  if (!t) throw new Error("no such transport");
  return t;
}

describe.concurrent("two hosts", () => {
  it("bring every frame of a clip from one to the other, whole and in order", async ({ bots }) => {
    const { net, receiver, a, b } = two(bots);
    await exchange(a, publisher, b, recorder);
    await until("media", () => receiver.of("video").length >= 20 && receiver.of("audio").length >= 30);
    for (const [i, f] of receiver.of("video").entries()) {
      expect(f.data).toEqual(clipVideo(i % 30));
      expect(f.lostBefore).toBe(0);
    }
    for (const [i, f] of receiver.of("audio").entries()) expect(f.data).toEqual(clipAudio(i % 50));
    const first = receiver.of("video")[0];
    expect([first?.keyframe, first?.codec]).toEqual([true, "vp8"]);
    expect(receiver.host.faults.snapshot()).toEqual({});
    expect(net.misuse).toEqual([]);
  });

  it("send feedback about the media back", async ({ bots }) => {
    const { sender, a, b } = two(bots);
    await exchange(b, recorder, a, publisher);
    const stats = () => sender.host.statistics(monotonicNow())[0]?.sender?.stats();
    await until("feedback", () => (stats()?.transport.arrived ?? 0) > 0);
    await until("REMB", () => stats()?.rembBps !== undefined);
    expect(stats()?.transport.lost).toBe(0);
  });

  it("repair what a lossy network drops", async ({ bots }) => {
    const { net, receiver, a, b } = two(bots, {
      profile: { ...networkProfiles.lossy, latencyMs: 5, jitterMs: 2, duplicate: 0 },
      seed: 7,
    });
    await exchange(a, publisher, b, recorder);
    const track = () =>
      receiver.host.statistics(monotonicNow())[0]?.receiver.tracks.find((t) => t.kind === "video");
    await until("repair", () => (track()?.recovered ?? 0) > 0 && receiver.of("video").length > 20);
    for (const [i, f] of receiver.of("video").entries()) expect(f.data).toEqual(clipVideo(i % 30));
    expect(net.misuse).toEqual([]);
  });

  it("add a second video to a running connection, and the first goes on", async ({ bots }) => {
    const { net, sender, receiver, a, b } = two(bots);
    await exchange(a, publisher, b, recorder);
    await until("camera", () => receiver.of("video").length > 3);
    const more: LinkPlan = { ...publisher, send: [...publisher.send, screen] };
    const both = { ...recorder, receive: { audio: 1, video: 2 } };
    const offer = await a.offer(more);
    const { answer, media } = await b.accept(offer, both);
    expect(media.filter((m) => m.sending && m.kind === "video")).toHaveLength(2);
    await a.answer(answer);
    const mid = media.at(-1)?.mid ?? "";
    // The host keeps one sender per link; the second stream's packets come from the test.
    const agreed = sender.negotiated[0] ?? [];
    const camMid = agreed.find((m) => m.kind === "video")?.mid;
    expect(mid).not.toBe(camMid);
    const ssrc = Number(new RegExp(`a=mid:${mid}\\b[\\s\\S]*?a=ssrc:(\\d+)`).exec(offer.sdp)?.[1]);
    const cam = agreed.find((m) => m.mid === camMid);
    if (!cam?.send) throw new Error("the camera was not negotiated");
    const { rtx: _, ...send } = { ...cam.send, ssrc };
    const second = clipSender([{ ...cam, mid, send }], monotonicNow());
    const before = receiver.frames.length;
    await until("screen", () => {
      for (let p = second.poll(monotonicNow()); p; p = second.poll(monotonicNow())) a.send(p);
      return receiver.frames.some((f) => f.mid === mid);
    });
    await until(
      "camera goes on",
      () => receiver.frames.slice(before).filter((f) => f.mid === camMid).length > 5,
    );
    expect(net.transports).toHaveLength(2);
    expect(sender.negotiated).toHaveLength(1);
  });

  it("start to send on a connection that carried nothing of ours at first", async ({ bots }) => {
    const { receiver, a, b } = two(bots);
    await exchange(a, { ...publisher, send: [], data: true }, b, {
      ...recorder,
      receive: { audio: 0, video: 0 },
    });
    await until("connected", () => a.state === "connected" && b.state === "connected");
    await exchange(a, publisher, b, recorder);
    await until("media", () => receiver.of("video").length > 3);
  });

  it("survive first offers that cross: one side rolls back and answers", async ({ bots }) => {
    const { net, receiver, a, b } = two(bots);
    const [, theirs] = await Promise.all([a.offer(publisher), b.offer(recorder)]);
    const { answer } = await a.accept(theirs, publisher);
    await b.answer(answer);
    await until("media", () => receiver.of("video").length > 3);
    expect(net.misuse).toEqual([]);
  });
});

describe.concurrent("closing a link", () => {
  it("says BYE, hands out what the receiver held, and reports closed once", async ({ bots }) => {
    const { net, sender, receiver, a, b } = two(bots);
    await exchange(a, publisher, b, recorder);
    await until("media", () => receiver.of("video").length > 3);
    const seen = receiver.frames.length;
    const packets = sender.host.packets;
    a.close();
    a.close();
    await a.closed();
    const byes = transportOf(net, 0).sent.filter(
      (p) => isRtcp(p) && parseRtcp(p).packets.some((x) => x.type === "bye"),
    );
    expect(byes.length).toBeGreaterThan(0);
    expect(sender.states).toEqual(["receiver connecting", "receiver connected", "receiver closed"]);
    expect(sender.host.statistics(monotonicNow())).toEqual([]);
    // What a closed link handled still counts.
    expect(sender.host.packets).toBeGreaterThanOrEqual(packets);
    await until("failed", () => b.state === "failed");
    b.close();
    expect(receiver.frames.length).toBeGreaterThanOrEqual(seen);
    await b.closed();
    expect(receiver.states.at(-1)).toBe("sender closed");
    expect(net.misuse).toEqual([]);
  });

  it("hands out frames that wait for the first sender report", async ({ bots }) => {
    const { net, receiver, a, b } = two(bots);
    const to = transportOf(net, 1);
    const deliver = to.deliver.bind(to);
    to.deliver = (p) => {
      if (!isRtcp(p)) deliver(p);
    };
    await exchange(a, publisher, b, recorder);
    await until("packets", () => receiver.host.packets > 10);
    expect(receiver.frames).toEqual([]);
    b.close();
    const flushed = receiver.frames.length;
    expect(flushed).toBeGreaterThan(0);
    await b.closed();
    a.close();
    await a.closed();
    expect(receiver.frames).toHaveLength(flushed);
    expect(net.misuse).toEqual([]);
  });

  it("ends all links of a host at once", async ({ bots }) => {
    const { net, sender, a, b } = two(bots);
    await exchange(a, publisher, b, recorder);
    const third = sender.host.link({ peerId: "third", iceServers: [] });
    await third.offer(publisher);
    await sender.host.close();
    expect([a.state, third.state]).toEqual(["closed", "closed"]);
    expect(net.open.map((t) => t.name)).toHaveLength(1);
    await sender.host.close();
  });

  it("leaves nothing behind when the network options are refused", () => {
    const pump = new Pump();
    const removed: unknown[] = [];
    const remove = pump.remove.bind(pump);
    pump.remove = (p) => {
      removed.push(p);
      remove(p);
    };
    const host = new PeerHost({
      transports: () => {
        throw new Error("refused");
      },
      pump,
      random: seededRandom(1),
      cname: "x",
      maxBitrate: 1,
      onFrame: () => undefined,
      log: () => undefined,
    });
    const iceServers: IceServer[] = [];
    expect(() => host.link({ peerId: "p", iceServers })).toThrow("refused");
    expect(removed).toHaveLength(1);
    expect(host.statistics(monotonicNow())).toEqual([]);
  });
});
