import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Recording, type RecordingOptions } from "../../src/bot/recording.ts";
import type { Rotation } from "../../src/core/frame.ts";
import type { PlacedFrame } from "../../src/core/media/received-track.ts";
import { millis } from "../../src/core/time.ts";
import { readJournal } from "../../src/sinks/recorder/journal.ts";
import { type Manifest, manifestOf } from "../../src/sinks/recorder/manifest.ts";

/* What happens in a session, as its manifest tells it. */

const START = 1_700_000_000_000;
let directory: string;
let wanted: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "roomtap-events-"));
  wanted = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const sound = (local: number, o: Partial<PlacedFrame> = {}): PlacedFrame => ({
  codec: "opus",
  data: Uint8Array.of(0xfc, 1, 2, 3),
  keyframe: true,
  local: millis(local),
  rtpTime: 48 * local,
  lostBefore: 0,
  duration: 20_000,
  ...o,
});
const picture = (local: number, key: boolean, o: { rotation?: Rotation } = {}): PlacedFrame => ({
  codec: "vp8",
  data: Uint8Array.of(key ? 0x10 : 0x11, 0, 0, 0x9d, 1, 0x2a),
  keyframe: key,
  local: millis(local),
  rtpTime: 90 * local,
  lostBefore: 0,
  ...(key ? { width: 640, height: 360 } : {}),
  ...o,
});

/** Ann with camera (mid 1) and microphone (mid 0), of which the first packet comes at 0. */
function recording(o: Partial<RecordingOptions> = {}): Recording {
  const r = new Recording({
    directory,
    room: "r",
    format: "mkv",
    ffmpeg: "",
    startedAt: START,
    attempt: 0,
    start: START,
    firstMedia: () => millis(0),
    requestKeyframe: (link, mid) => wanted.push(`${link}/${mid}`),
    onFailure: (e) => {
      throw e;
    },
    ...o,
  });
  r.peer("join", { id: "a", name: "Ann", recorder: false }, millis(0));
  const of = { peerId: "a", linkId: "l" };
  r.track("add", { ...of, id: "a:mic", kind: "audio", source: "microphone", mid: "0" });
  r.track("add", { ...of, id: "a:cam", kind: "video", source: "camera", mid: "1" });
  return r;
}

/** Sound and pictures from a time to another; a keyframe where `key` says so. */
function feed(r: Recording, from: number, to: number, key = (t: number) => t % 1000 === 0): void {
  for (let t = from; t < to; t += 20) {
    r.frame("l", "0", sound(t));
    if (t % 40 === 0) r.frame("l", "1", picture(t, key(t)));
    if (t % 100 === 0) r.tick(millis(t));
  }
}

async function ended(r: Recording, at: number): Promise<Manifest> {
  r.stop(millis(at));
  await r.finish([]);
  await r.convert(new AbortController().signal, () => undefined);
  r.close();
  return manifestOf(readJournal(directory));
}

const ofType = (m: Manifest, ...types: string[]) => m.events.filter((e) => types.includes(e.type));

test("a pause is a gap in one file, and the picture goes on with a keyframe that was asked for", async () => {
  const r = recording();
  feed(r, 0, 3000);
  r.pause(millis(3000));
  feed(r, 3000, 5000);
  r.resume(millis(5000));
  feed(r, 5000, 8000, (t) => t === 5400 || t === 7000);
  const m = await ended(r, 8000);
  expect(wanted[0]).toBe("l/1");
  expect(m.files).toMatchObject([{ startMs: 0, durationMs: 8000 }]);
  expect(ofType(m, "pause")).toEqual([
    { type: "pause", atMs: 3000, toMs: 5000, lengthMs: 2000, collapsed: false },
  ]);
  expect(m.gaps).toMatchObject([
    { kind: "video", fromMs: 2960, toMs: 5400, cause: "pause" },
    { kind: "audio", fromMs: 3000, toMs: 5000, cause: "pause" },
  ]);
  expect(ofType(m, "mute", "unmute")).toEqual([]);
});

test("a pause that is cut out leaves a file that is as much shorter", async () => {
  const r = recording({ collapsePauses: true });
  feed(r, 0, 3000);
  r.pause(millis(3000));
  feed(r, 3000, 5000);
  r.resume(millis(5000));
  feed(r, 5000, 8000);
  const m = await ended(r, 8000);
  expect(m.files).toMatchObject([{ durationMs: 6000 }]);
  expect(ofType(m, "pause")).toMatchObject([{ atMs: 3000, toMs: 3000, lengthMs: 2000, collapsed: true }]);
  expect(m.gaps).toEqual([]);
});

test("the wait for a keyframe after a pause that is cut out belongs to the pause", async () => {
  const r = recording({ collapsePauses: true });
  feed(r, 0, 3000);
  r.pause(millis(3000));
  feed(r, 3000, 5400);
  r.resume(millis(5400));
  feed(r, 5400, 8000);
  const m = await ended(r, 8000);
  expect(m.gaps).toMatchObject([{ kind: "video", fromMs: 2960, toMs: 3600, cause: "pause" }]);
});

test("who stops sending is muted until they send again", async () => {
  const r = recording();
  feed(r, 0, 2000);
  for (let t = 2000; t < 6000; t += 40) {
    r.frame("l", "1", picture(t, false));
    r.tick(millis(t));
  }
  feed(r, 6000, 8000);
  const m = await ended(r, 8000);
  const who = { participantId: "a", kind: "audio" };
  expect(ofType(m, "mute", "unmute")).toEqual([
    { type: "mute", atMs: 2000, ...who },
    { type: "unmute", atMs: 6000, ...who },
  ]);
});

test("a hole while the connection was down is an outage, other holes are loss", async () => {
  const r = recording();
  feed(r, 0, 2000);
  r.connection("media", "down", millis(2500), "a");
  r.connection("media", "down", millis(3000), "a");
  r.connection("media", "up", millis(5900), "a");
  feed(r, 6000, 8000);
  r.frame("l", "0", sound(8300, { lostBefore: 15 }));
  const m = await ended(r, 8320);
  expect(ofType(m, "reconnect")).toEqual([
    { type: "reconnect", what: "media", participantId: "a", atMs: 2500, toMs: 5900 },
  ]);
  expect(m.gaps.map((g) => [g.kind, g.fromMs, g.toMs, g.cause])).toEqual([
    ["video", 1960, 6000, "outage"],
    ["audio", 2000, 6000, "outage"],
    ["video", 7960, 8320, "silence"],
    ["audio", 8000, 8300, "loss"],
  ]);
});

test("speech, codecs and turns of the picture stand on the timeline", async () => {
  const r = recording();
  for (let t = 0; t < 6000; t += 20) {
    const level = t >= 1000 && t < 3000 ? 30 : 70;
    r.frame("l", "0", sound(t, { audioLevel: level }));
    if (t % 40 === 0) r.frame("l", "1", picture(t, t % 1000 === 0, t >= 4000 ? { rotation: 90 } : {}));
    if (t % 100 === 0) r.tick(millis(t));
  }
  r.keyframeRequest("a", millis(5000));
  const m = await ended(r, 6000);
  expect(ofType(m, "speaking", "codec", "rotate", "keyframe-request")).toEqual([
    { type: "codec", atMs: 0, participantId: "a", kind: "audio", codec: "opus" },
    { type: "codec", atMs: 0, participantId: "a", kind: "video", codec: "vp8" },
    { type: "speaking", atMs: 1000, toMs: 3000, participantId: "a" },
    { type: "rotate", atMs: 4000, participantId: "a", rotation: 90 },
    { type: "keyframe-request", atMs: 5000, participantId: "a" },
  ]);
});

test("only what is selected is recorded", async () => {
  const r = recording({ selection: { include: ["audio"], exclude: [] } });
  feed(r, 0, 2000);
  const m = await ended(r, 2000);
  expect(m.files.map((f) => f.tracks.map((t) => t.kind))).toEqual([["audio"]]);
});

test("while files are open there is a manifest that says so", async () => {
  const r = recording();
  feed(r, 0, 2000);
  const path = join(directory, "manifest.json");
  expect(existsSync(path)).toBe(true);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ complete: false, files: [] });
  expect(await ended(r, 2000)).toMatchObject({ complete: true });
});
