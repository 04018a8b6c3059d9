import { expect, test } from "vitest";
import type { Manifest, ManifestFile } from "../../../src/sinks/recorder/manifest.ts";
import type { SessionEvent } from "../../../src/sinks/recorder/session-events.ts";
import { unexplainedHoles } from "../../../src/sinks/verify/holes.ts";

const file: ManifestFile = {
  path: "Ann-2.webm",
  participant: "Ann",
  participantId: "p1",
  source: "camera",
  format: "webm",
  startMs: 10_000,
  durationMs: 60_000,
  bytes: 1,
  tracks: [],
};
const p1 = { participantId: "p1" };
const gap = { type: "gap", ...p1, path: "Ann-2.webm", cause: "loss" } as const;
const hole = (fromMs: number, toMs: number) => ({ fromMs, toMs });
const found = (
  events: readonly SessionEvent[],
  holes: readonly { fromMs: number; toMs: number }[],
  o: { kind?: "audio" | "video"; typicalMs?: number; file?: ManifestFile } = {},
) =>
  unexplainedHoles(o.file ?? file, { events } satisfies Pick<Manifest, "events">, {
    kind: o.kind ?? "video",
    typicalMs: o.typicalMs ?? 33,
    holes,
  });

test("a hole is told when nothing explains it and it is long enough to be seen or heard", () => {
  const holes = [hole(0, 100), hole(1000, 1250), hole(2000, 2251), hole(5000, 9000)];
  expect(found([], holes)).toEqual([holes[2], holes[3]]);
  expect(found([], holes, { kind: "audio" })).toEqual(holes.slice(1));
});

test("a camera that sends little is not missing between its pictures, nor a screen at rest", () => {
  expect(found([], [hole(0, 900)], { typicalMs: 250 })).toEqual([]);
  expect(found([], [hole(0, 1100)], { typicalMs: 250 })).toHaveLength(1);
  expect(found([], [hole(0, 30_000)], { file: { ...file, source: "screen" } })).toEqual([]);
});

test.each<[string, SessionEvent]>([
  ["a gap", { ...gap, atMs: 15_000, toMs: 19_000, kind: "video" }],
  ["a gap in everything", { ...gap, atMs: 15_200, toMs: 18_800, kind: "all" }],
  ["a mute that lasts", { type: "mute", ...p1, atMs: 15_100, kind: "video" }],
  ["a connection that was lost", { type: "reconnect", what: "media", ...p1, atMs: 15_000, toMs: 19_000 }],
  ["a new process", { type: "reconnect", what: "process", atMs: 15_000, toMs: 19_000 }],
  ["a pause", { type: "pause", collapsed: false, atMs: 15_000, toMs: 19_000, lengthMs: 4000 }],
])("%s explains a hole at the same time of the session", (_, event) => {
  expect(found([event], [hole(5000, 9000)])).toEqual([]);
  expect(found([event], [hole(1000, 4000)])).toHaveLength(1);
});

test.each<[string, SessionEvent]>([
  ["a gap in the other track", { ...gap, atMs: 15_000, toMs: 19_000, kind: "audio" }],
  ["a gap of somebody else", { ...gap, participantId: "p2", atMs: 15_000, toMs: 19_000, kind: "all" }],
  ["a gap that ends too early", { ...gap, atMs: 15_000, toMs: 18_000, kind: "video" }],
  ["the room server", { type: "reconnect", what: "signalling", atMs: 15_000, toMs: 19_000 }],
  ["a speaker", { type: "speaking", ...p1, atMs: 15_000, toMs: 19_000 }],
])("%s does not", (_, event) => {
  expect(found([event], [hole(5000, 9000)])).toHaveLength(1);
});

test("a mute explains what is missing until it ends", () => {
  const events: SessionEvent[] = [
    { type: "mute", ...p1, atMs: 15_000, kind: "video" },
    { type: "unmute", ...p1, atMs: 17_000, kind: "audio" },
    { type: "unmute", ...p1, atMs: 20_000, kind: "video" },
  ];
  expect(found(events, [hole(5000, 10_400)])).toEqual([]);
  expect(found(events, [hole(12_000, 13_000)])).toHaveLength(1);
});

test("several gaps explain a hole together", () => {
  const events: SessionEvent[] = [
    { ...gap, atMs: 15_000, toMs: 17_000, kind: "video" },
    { ...gap, atMs: 17_500, toMs: 19_000, kind: "video" },
  ];
  expect(found(events, [hole(5000, 9000)])).toEqual([]);
});
