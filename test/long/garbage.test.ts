import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, expect, test } from "vitest";
import type { LinkPlan } from "../../src/core/room.ts";
import type { PeerHost } from "../../src/peer/host.ts";
import { shutDownNative } from "../../src/peer/native.ts";
import { monotonicNow } from "../../src/peer/pump.ts";
import { clipSender } from "../support/clip.ts";
import { connect, nativeHost } from "../support/native-pair.ts";

const SECONDS = 60;
const PAIRS = 3;

const publisher: LinkPlan = {
  send: [
    { id: "mic", kind: "audio", source: "microphone", codec: "opus" },
    { id: "cam", kind: "video", source: "camera", codec: "vp8" },
  ],
  receive: { audio: 0, video: 0 },
  data: true,
};
const recorder: LinkPlan = { send: [], receive: { audio: 1, video: 1 }, data: true };

afterAll(shutDownNative);

test("connections of which only the hosts are held outlive a minute of collected garbage, and leave cleanly", async () => {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  const states: string[] = [];
  const onLink = (_id: string, peer: string, state: string) => states.push(`${peer} ${state}`);
  const make = async (i: number) => {
    const from = nativeHost({
      seed: 2 * i + 1,
      onLink,
      sender: (_peer, media, now) => clipSender(media, now),
    });
    const to = nativeHost({ seed: 2 * i + 2, onLink });
    // The links themselves are dropped here.
    await connect(from, publisher, to, recorder, { from: `from-${i}`, to: `to-${i}` });
    return [from.host, to.host] as const;
  };
  const hosts: (readonly [PeerHost, PeerHost])[] = [];
  for (let i = 0; i < PAIRS; i++) hosts.push(await make(i));
  states.length = 0;
  const end = performance.now() + SECONDS * 1000;
  let collections = 0;
  while (performance.now() < end) {
    gc();
    collections++;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const closed = states.filter((s) => /closed|failed/.test(s));
  const tracks = hosts.flatMap(([, to]) => to.statistics(monotonicNow()).flatMap((l) => l.receiver.tracks));
  console.log("garbage", JSON.stringify({ collections, frames: tracks.map((t) => t.frames) }));
  expect(collections).toBeGreaterThan(SECONDS * 5);
  expect(closed).toEqual([]);
  expect(tracks).toHaveLength(2 * PAIRS);
  for (const t of tracks) {
    expect(t.ledger.lost + t.abandonedFrames + t.gatedFrames).toBe(0);
    expect(t.frames).toBeGreaterThan((t.kind === "video" ? 30 : 50) * (SECONDS - 3));
  }
  await Promise.all(hosts.flat().map((h) => h.close()));
  gc();
  expect(states.filter((s) => s.endsWith("closed"))).toHaveLength(2 * PAIRS);
});
