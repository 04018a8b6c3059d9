import { afterAll, afterEach, describe, expect, test } from "vitest";
import { equalBytes } from "../../src/core/bytes.ts";
import type { ReceivedTrack } from "../../src/core/media/received-track.ts";
import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";
import type { LinkPlan } from "../../src/core/room.ts";
import { isRtcp } from "../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../src/core/rtp/rtcp/parse.ts";
import { shutDownNative } from "../../src/peer/native.ts";
import { monotonicNow } from "../../src/peer/pump.ts";
import { clipAudio, clipSender, clipVideo } from "../support/clip.ts";
import { connect, type NativeHost, nativeHost, type Shim } from "../support/native-pair.ts";
import { until } from "../support/until.ts";

/* What goes over real ICE, DTLS and SRTP: repair in both directions of RTCP, and RTCP that means harm. */

const publisher: LinkPlan = {
  send: [
    { id: "mic", kind: "audio", source: "microphone", codec: "opus" },
    { id: "cam", kind: "video", source: "camera", codec: "vp8" },
  ],
  receive: { audio: 0, video: 0 },
  data: true,
};
const recorder: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: true };

let hosts: NativeHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.map((h) => h.host.close()));
  hosts = [];
});
afterAll(shutDownNative);

type Seen = { video: Uint8Array[]; audio: Uint8Array[] };

/** One who sends the clip and one who receives it, each behind a shim. */
function pair(o: { sender?: Shim; receiver?: Shim } = {}) {
  const seen: Seen = { video: [], audio: [] };
  const sender = nativeHost({
    seed: 1,
    sender: (_peer, media, now) => clipSender(media, now),
    ...(o.sender ? { shim: o.sender } : {}),
  });
  const receiver = nativeHost({
    seed: 2,
    onFrame: (_link, _mid, f) => seen[f.codec === "opus" ? "audio" : "video"].push(f.data),
    ...(o.receiver ? { shim: o.receiver } : {}),
  });
  hosts.push(sender, receiver);
  const track = (kind: "audio" | "video"): ReceivedTrack | undefined =>
    receiver.host.statistics(monotonicNow())[0]?.receiver.tracks.find((t) => t.kind === kind);
  return { sender, receiver, seen, track };
}

function expectWhole(seen: Seen): void {
  expect(seen.video.findIndex((data, i) => !equalBytes(data, clipVideo(i % 30)))).toBe(-1);
  expect(seen.audio.findIndex((data, i) => !equalBytes(data, clipAudio(i % 50)))).toBe(-1);
}

describe("RTCP on a receive-only connection", () => {
  test("goes both ways, and brings back what a path with 5 % of loss in both directions drops", async () => {
    const random = seededRandom(29);
    const kinds = { fromSender: new Set<string>(), fromReceiver: new Set<string>() };
    let [lost, plis] = [0, 0];
    const note = (p: Uint8Array, side: Set<string>) => {
      if (!isRtcp(p)) return;
      for (const { type } of parseRtcp(p).packets) {
        side.add(type);
        if (type === "pli") plis++;
      }
    };
    const { sender, receiver, seen, track } = pair({
      receiver: {
        receives: (p) => {
          note(p, kinds.fromSender);
          const drop = random() < 0.05;
          if (drop && !isRtcp(p)) lost++;
          return !drop;
        },
        sends: (p) => {
          note(p, kinds.fromReceiver);
          return random() >= 0.05;
        },
      },
    });
    await connect(sender, publisher, receiver, recorder);
    await until("twenty seconds of media", () => seen.video.length >= 600, 40_000);
    expect(lost).toBeGreaterThan(50);
    const video = track("video")?.ledger;
    expect(video?.recovered).toBeGreaterThan(20);
    const { expected = 0, lost: gone = expected } = video ?? {};
    expect(gone / expected).toBeLessThan(0.001);
    expectWhole({ video: seen.video, audio: [] });
    // One for the first keyframe may go out; nothing that was repaired asks for another.
    expect(plis).toBeLessThanOrEqual(1);
    expect([...kinds.fromSender]).toEqual(expect.arrayContaining(["sr", "sdes"]));
    expect([...kinds.fromReceiver]).toEqual(expect.arrayContaining(["rr", "sdes", "nack", "twcc"]));
    expect([...sender.failures, ...receiver.failures]).toEqual([]);
  });
});

/** Chunks of SDES that lie about their layout, alone and in compounds (RFC 3550 section 6.5). */
function malformedRtcp(random: Random): Uint8Array[] {
  const rr = [0x80, 201, 0, 1, 0, 0, 0, 9];
  const sdes = (count: number, words: number, ...body: number[]) => [0x80 | count, 202, 0, words, ...body];
  const list = [
    // A chunk without an end, an item beyond its packet, more chunks than there are, no chunk at all.
    sdes(1, 2, 0, 0, 0, 9, 1, 1, 65, 66),
    sdes(1, 2, 0, 0, 0, 9, 1, 255, 65, 66),
    sdes(31, 2, 0, 0, 0, 9, 0, 0, 0, 0),
    sdes(1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    sdes(2, 1, 0, 0, 0, 9, 0, 0, 0, 0),
    // Lengths beyond the datagram, and of zero.
    [0x80, 202, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 0],
    [0x9f, 200, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0],
    [0x81, 206, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0],
    [0x80, 203, 0, 0, 0x80, 203, 0, 0, 0x80, 203, 0, 0],
  ];
  for (const packet of [...list]) list.push([...rr, ...packet], [...packet, ...rr]);
  for (let i = 0; i < 200; i++) {
    const b = Array.from({ length: 12 + 4 * randomInt(random, 20) }, () => randomInt(random, 256));
    b[0] = 0x80 | randomInt(random, 64);
    b[1] = 200 + randomInt(random, 8);
    list.push(b);
  }
  return list.map((b) => Uint8Array.from(b));
}

test("malformed RTCP from a peer disturbs neither its own media nor that of others", async () => {
  const { sender, receiver, seen, track } = pair();
  const other: Uint8Array[] = [];
  const neighbour = nativeHost({ seed: 3, sender: (_peer, media, now) => clipSender(media, now) });
  const second = nativeHost({
    seed: 4,
    onFrame: (_link, _mid, f) => (f.codec === "opus" ? undefined : other.push(f.data)),
  });
  hosts.push(neighbour, second);
  const { a } = await connect(sender, publisher, receiver, recorder);
  await connect(neighbour, publisher, second, recorder);
  await until("media", () => seen.video.length > 5 && other.length > 5, 10_000);
  const cpu = process.cpuUsage();
  const from = performance.now();
  const [before, otherBefore] = [seen.video.length, other.length];
  for (const packet of malformedRtcp(seededRandom(5))) expect(a.send(packet)).toBe(true);
  await until(
    "media goes on",
    () => seen.video.length > before + 90 && other.length > otherBefore + 90,
    8000,
  );
  const { user, system } = process.cpuUsage(cpu);
  expect(receiver.host.faults.of("rtcp-malformed")).toBeGreaterThan(10);
  // No native thread spins: that would be a whole core.
  expect((user + system) / 1000 / (performance.now() - from)).toBeLessThan(0.9);
  expect(track("video")?.ledger.lost).toBe(0);
  expectWhole(seen);
  expectWhole({ video: other, audio: [] });
});
