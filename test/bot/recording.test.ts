import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Recording } from "../../src/bot/recording.ts";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import type { Peer } from "../../src/core/room.ts";
import { millis } from "../../src/core/time.ts";
import { type JournalEntry, readJournal } from "../../src/sinks/recorder/journal.ts";

const START = 1_700_000_000_000;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "roomtap-recording-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const ann: Peer = { id: "a", name: "Ann", recorder: false };
const bob: Peer = { id: "b", name: "Bob", recorder: false };

const sound = (local: number): PlacedFrame => ({
  codec: "opus",
  data: Uint8Array.of(0xfc, 1, 2),
  keyframe: true,
  local: millis(local),
  rtpTime: 48 * local,
  lostBefore: 0,
  duration: 20_000,
});

/** A recording of both, whose first packets came at 300 and 120 ms. */
function recording(participant?: string, format: "mkv" | "ogg" = "mkv"): Recording {
  const r = new Recording({
    directory,
    room: "r",
    format,
    ffmpeg: "",
    startedAt: START,
    attempt: 0,
    start: START,
    participant,
    requestKeyframe: () => undefined,
    firstMedia: (link) => millis(link === "link-a" ? 300 : 120),
    onFailure: (e) => {
      throw e;
    },
  });
  for (const peer of [ann, bob]) {
    r.peer("join", peer, millis(10));
    const track = { id: `${peer.id}:mic`, peerId: peer.id, kind: "audio", source: "microphone" } as const;
    r.track("add", { ...track, linkId: `link-${peer.id}`, mid: "0" });
  }
  return r;
}

const of = <T extends JournalEntry["t"]>(t: T) =>
  readJournal(directory).filter((e): e is Extract<JournalEntry, { t: T }> => e.t === t);

test.each([
  ["link-a", "link-b"],
  ["link-b", "link-a"],
])("time zero is the first media packet of all, whoever's frame comes first: %s", (first, second) => {
  const r = recording();
  r.frame(first, "0", sound(400));
  r.frame(second, "0", sound(400));
  expect(of("first-media")).toEqual([{ t: "first-media", at: START + 120 }]);
  expect(r.elapsedMs(millis(1120))).toBe(1000);
  r.close();
});

test("time zero does not wait for people who are not recorded, nor do they set it", () => {
  const r = recording("Ann");
  r.frame("link-b", "0", sound(200));
  expect(r.started).toBe(false);
  r.frame("link-a", "0", sound(400));
  expect(of("first-media")).toEqual([{ t: "first-media", at: START + 300 }]);
  r.close();
});

test("people's coming and going is told on the recording's own time, and recorders are nobody", () => {
  const r = recording();
  r.frame("link-b", "0", sound(130));
  r.peer("join", { id: "r", name: "Other recorder", recorder: true }, millis(500));
  r.peer("leave", ann, millis(1120));
  expect(r.participants).toEqual([bob]);
  expect(of("participant").map((e) => [e.name, e.joinedMs])).toEqual([
    ["Ann", 0],
    ["Bob", 0],
  ]);
  expect(of("participant-left")).toEqual([{ t: "participant-left", id: "a", leftMs: 1000 }]);
  r.close();
});

test("its length stays what it was when it was stopped", () => {
  const r = recording();
  r.frame("link-b", "0", sound(130));
  expect(r.over(millis(99_999))).toBe(false);
  r.stop(millis(2120));
  r.stop(millis(5000));
  expect(r.elapsedMs(millis(9000))).toBe(2000);
  r.close();
});

test("for Ogg nobody's picture is recorded, and whoever only sends one has no file", async () => {
  const r = recording("Ann", "ogg");
  const camera = { id: "a:cam", peerId: "a", linkId: "link-a", kind: "video", source: "camera" } as const;
  r.track("add", { ...camera, mid: "1" });
  r.frame("link-a", "1", { ...sound(400), codec: "vp8", data: Uint8Array.of(0x10, 0, 0, 0x9d, 1, 0x2a) });
  expect(r.trackOf("link-a", "1")).toBeUndefined();
  expect(r.started).toBe(false);
  r.close();
  expect(of("file-open")).toEqual([]);
});
