import { expect, test } from "vitest";
import { RoomMirror } from "../../src/bot/room-mirror.ts";
import type { Peer, RemoteTrack } from "../../src/core/room.ts";
import { millis } from "../../src/core/time.ts";

const ann: Peer = { id: "ann", name: "Ann", recorder: false };
const bob: Peer = { id: "bob", name: "Bob", recorder: false };
const camera = (peer: Peer, id = `${peer.id}-camera`): RemoteTrack => ({
  ...{ id, peerId: peer.id, kind: "video", source: "camera", linkId: "link-1", mid: "0" },
});
const frame = {
  codec: "vp8",
  data: Uint8Array.of(1),
  keyframe: true,
  rtpTime: 0,
  lostBefore: 0,
} as const;

function mirrored() {
  const seen: string[] = [];
  const mirror = new RoomMirror({
    peer: (op, peer) => seen.push(`${op} ${peer.name}`),
    track: (op, track) => seen.push(`${op} ${track.id}`),
    frame: (track, f, atMs) => seen.push(`${track.id} ${f.codec} at ${atMs}`),
  });
  return { mirror, seen };
}

test("who comes and goes, and what they send, is passed on", () => {
  const { mirror, seen } = mirrored();
  mirror.push({ t: "peer", op: "join", peer: ann });
  mirror.push({ t: "track", op: "add", track: camera(ann) });
  mirror.push({ t: "frame", trackId: "ann-camera", atMs: millis(5), frame });
  mirror.push({ t: "frame", trackId: "unknown", atMs: millis(6), frame });
  mirror.push({ t: "track", op: "remove", track: camera(ann) });
  mirror.push({ t: "frame", trackId: "ann-camera", atMs: millis(7), frame });
  mirror.push({ t: "peer", op: "leave", peer: ann });
  expect(seen).toEqual([
    "join Ann",
    "add ann-camera",
    "ann-camera vp8 at 5",
    "remove ann-camera",
    "leave Ann",
  ]);
  expect(mirror.participants).toEqual([]);
});

test("those whom the next process sees again never left; the others leave", () => {
  const { mirror, seen } = mirrored();
  for (const peer of [ann, bob]) {
    mirror.push({ t: "peer", op: "join", peer });
    mirror.push({ t: "track", op: "add", track: camera(peer) });
  }
  seen.length = 0;
  mirror.replaced();
  expect(seen).toEqual(["remove ann-camera", "remove bob-camera"]);
  expect(mirror.participants).toEqual([ann, bob]);
  seen.length = 0;
  mirror.push({ t: "peer", op: "join", peer: ann });
  mirror.push({ t: "track", op: "add", track: camera(ann) });
  mirror.settled();
  expect(seen).toEqual(["add ann-camera", "leave Bob"]);
  expect(mirror.participants).toEqual([ann]);
  mirror.settled();
  expect(seen).toHaveLength(2);
});
