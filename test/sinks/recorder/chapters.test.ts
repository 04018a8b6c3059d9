import { expect, test } from "vitest";
import { chaptersOf } from "../../../src/sinks/recorder/chapters.ts";
import { type Manifest, manifestOf } from "../../../src/sinks/recorder/manifest.ts";
import type { SessionEvent } from "../../../src/sinks/recorder/session-events.ts";

const session = (events: readonly SessionEvent[], names: Record<string, string> = {}): Manifest => ({
  ...manifestOf([{ t: "session", version: 1, room: "ws://h/r", startedAt: 0, attempt: 0 }]),
  durationMs: 60_000,
  participants: Object.entries(names).map(([id, name]) => ({ id, name, joinedMs: 0 })),
  events,
});

/** [start, end, text] of every cue, seconds. */
function cues(vtt: string): [number, number, string][] {
  const seconds = (t = "") => t.split(":").reduce((n, part) => 60 * n + Number(part), 0);
  return vtt
    .split("\n\n")
    .flatMap((block) => {
      const [, times, text] = block.split("\n");
      const [from, to] = times?.split(" --> ") ?? [];
      return to === undefined ? [] : [{ from, to, text }];
    })
    .map(({ from, to, text = "" }) => [seconds(from), seconds(to), text]);
}

const p1 = { participantId: "p1" };
const p2 = { participantId: "p2" };

test("a call is told in chapters that follow on one another", () => {
  const manifest = session(
    [
      { atMs: 0, type: "join", ...p1 },
      { atMs: 400, type: "keyframe-request", ...p1 },
      { atMs: 5000, type: "join", ...p2 },
      { atMs: 5200, type: "resize", ...p2, path: "Bob.webm", width: 640, height: 360 },
      { atMs: 8000, type: "speaking", ...p1, toMs: 9000 },
      { atMs: 9500, type: "speaking", ...p1, toMs: 11_000 },
      { atMs: 12_000, type: "speaking", ...p2, toMs: 13_000 },
      { atMs: 20_000, type: "mute", ...p1, kind: "audio" },
      { atMs: 22_000, type: "unmute", ...p1, kind: "audio" },
      { atMs: 24_000, type: "rotate", ...p1, rotation: 90 },
      { atMs: 26_000, type: "codec", ...p1, kind: "video", codec: "h264" },
      { atMs: 30_000, type: "gap", ...p1, path: "Ann.webm", kind: "audio", toMs: 30_200, cause: "silence" },
      { atMs: 31_000, type: "gap", ...p1, path: "Ann.webm", kind: "all", toMs: 36_040, cause: "outage" },
      { atMs: 36_100, type: "reconnect", what: "media", ...p1, toMs: 37_000 },
      { atMs: 40_000, type: "reconnect", what: "signalling", toMs: 42_000 },
      { atMs: 44_000, type: "pause", toMs: 47_000, lengthMs: 3000, collapsed: false },
      { atMs: 50_000, type: "leave", ...p2 },
    ],
    { p1: "Ann", p2: "Bob" },
  );
  const list = cues(chaptersOf(manifest));
  expect(list).toEqual([
    [0, 5, "Ann joined"],
    [5, 8, "Bob joined; picture of Bob: 640x360"],
    [8, 12, "Ann speaks"],
    [12, 20, "Bob speaks"],
    [20, 22, "Ann turned the microphone off"],
    [22, 24, "Ann turned the microphone on"],
    [24, 26, "picture of Ann: turned by 90°"],
    [26, 31, "video of Ann: h264"],
    [31, 36.1, "nothing of Ann for 5 s (the connection was lost)"],
    [36.1, 40, "connection of Ann lost for 0.9 s"],
    [40, 44, "room server lost for 2 s"],
    [44, 50, "paused for 3 s"],
    [50, 60, "Bob left"],
  ]);
});

test("hostile names come out literally, and only what is a cue is one", () => {
  const names = { p1: "<img src=x onerror=1>", p2: "00:00.000 --> 99:00.000\n\nboo" };
  const vtt = chaptersOf(
    session(
      [
        { atMs: 0, type: "join", ...p1 },
        { atMs: 9000, type: "join", ...p2 },
        { atMs: 19_000, type: "join", participantId: "%{eif:1}:x='" },
      ],
      names,
    ),
  );
  expect(cues(vtt)).toEqual([
    [0, 9, "&lt;img src=x onerror=1&gt; joined"],
    [9, 19, "00:00.000 --&gt; 99:00.000 boo joined"],
    [19, 60, "%{eif:1}:x=' joined"],
  ]);
  expect(vtt.match(/-->/g)).toHaveLength(3);
});

test("a crowd that comes at once is counted, and a name has an end", () => {
  const events = Array.from({ length: 50 }, (_, i): SessionEvent => {
    return { atMs: i, type: "join", participantId: i === 0 ? "x".repeat(10_000) : `p${i}` };
  });
  const [[, , text] = [0, 0, ""], ...rest] = cues(chaptersOf(session(events)));
  expect(rest).toEqual([]);
  expect(text).toContain("p5 joined; 44 more");
  expect(text.length).toBeLessThan(250);
});

test("a session in which nothing happened is one chapter, and one without a length has a short one", () => {
  expect(cues(chaptersOf(session([])))).toEqual([[0, 60, "Start"]]);
  const { durationMs: _, ...open } = session([{ atMs: 3000, type: "leave", ...p1 }]);
  expect(cues(chaptersOf(open))).toEqual([
    [0, 3, "Start"],
    [3, 3.001, "p1 left"],
  ]);
});
