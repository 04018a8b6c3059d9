import { expect, test } from "vitest";
import type { CodecName, MediaKind, Rotation, TrackSource } from "../../../src/core/frame.ts";
import type { FileTrack, JournalEntry } from "../../../src/sinks/recorder/journal.ts";
import schema from "../../../src/sinks/recorder/manifest.schema.json" with { type: "json" };
import { type Manifest, type ManifestFile, manifestOf } from "../../../src/sinks/recorder/manifest.ts";
import { checkManifest } from "../../../src/sinks/recorder/manifest-schema.ts";
import type { ManifestTrack, SyncReport } from "../../../src/sinks/recorder/manifest-tracks.ts";
import type { FileFormat } from "../../../src/sinks/recorder/output.ts";
import type { GapCause, SessionEvent } from "../../../src/sinks/recorder/session-events.ts";

/** Every property, the optional ones included: the compiler asks here for what a type gets. */
type Whole<T> = { [K in keyof T]-?: T[K] };
type EventOf<T, E = SessionEvent> = E extends { type: infer U }
  ? T extends U
    ? Whole<Omit<E, "type">> & { type: T }
    : never
  : never;
/** Every value of a union of strings: the compiler asks here for what a union gets. */
const all = <T extends string>(values: Record<T, 1>) => Object.keys(values) as T[];

const kinds = all<MediaKind>({ audio: 1, video: 1 });
const sources = all<TrackSource>({ camera: 1, microphone: 1, screen: 1, "screen-audio": 1, unknown: 1 });
const formats = all<FileFormat>({ webm: 1, mkv: 1, mp4: 1, ogg: 1 });
const causes = all<GapCause>({ loss: 1, silence: 1, disk: 1, restart: 1, outage: 1, pause: 1 });
const by = all<SyncReport["by"]>({ capture: 1, reports: 1, arrival: 1 });
const confidences = all<SyncReport["confidence"]>({ high: 1, medium: 1, low: 1 });
const whats = all<EventOf<"reconnect">["what"]>({ signalling: 1, media: 1, process: 1 });
const rotations = all<`${Rotation}`>({ "0": 1, "90": 1, "180": 1, "270": 1 });
const codecs = all<CodecName>({
  ...{ opus: 1, vp8: 1, vp9: 1, h264: 1, h265: 1, av1: 1, pcmu: 1, pcma: 1, g722: 1, multiopus: 1 },
});

const at = { atMs: 1, participantId: "p1" };
const place = { ...at, path: "Ann.webm" };
const events: { [T in SessionEvent["type"]]: EventOf<T> } = {
  join: { type: "join", ...at },
  leave: { type: "leave", ...at },
  mute: { type: "mute", ...at, kind: "audio" },
  unmute: { type: "unmute", ...at, kind: "audio" },
  speaking: { type: "speaking", ...at, toMs: 2 },
  resize: { type: "resize", ...place, width: 2, height: 2 },
  rotate: { type: "rotate", ...at, rotation: 90 },
  codec: { type: "codec", ...at, kind: "video", codec: "h264" },
  gap: { type: "gap", ...place, kind: "all", toMs: 2, cause: "loss" },
  "keyframe-request": { type: "keyframe-request", ...at },
  reconnect: { type: "reconnect", ...at, what: "media", toMs: 2 },
  pause: { type: "pause", atMs: 1, toMs: 1, lengthMs: 2, collapsed: true },
};
const fileTrack: Whole<FileTrack> = { kind: "video", codec: "aac", frames: 3, width: 2, height: 2 };
const file: Whole<ManifestFile> = {
  path: "Ann.webm",
  participant: "Ann",
  participantId: "p1",
  source: "camera",
  format: "webm",
  startMs: 0,
  durationMs: 1.5,
  bytes: 9,
  sha256: "0123456789abcdef".repeat(4),
  tracks: [fileTrack],
  recovered: true,
  poster: "Ann.jpg",
};
const sync: Whole<SyncReport> = {
  by: "reports",
  reports: 3,
  slopePpm: -0.5,
  residualMs: 1,
  offsetMs: -7,
  confidence: "high",
};
const track: Whole<ManifestTrack> = {
  participantId: "p1",
  id: "p1:mic",
  kind: "audio",
  source: "microphone",
  codec: "opus",
  ssrc: 4_294_967_295,
  sync,
  loss: { expected: 4, received: 1, recovered: 1, lost: 1, pending: 1 },
};
const stats = { x: { id: "x", type: "inbound-rtp", timestamp: 1, anything: { more: [] } } };
const whole = {
  version: 1,
  room: "ws://h/r",
  startedAt: new Date(0).toISOString(),
  durationMs: 5,
  restarts: 0,
  complete: true,
  participants: [{ id: "p1", name: "<img src=x onerror=1>", joinedMs: 0, leftMs: 1 }],
  tracks: [track],
  files: [file],
  events: Object.values(events),
  gaps: [{ path: "", kind: "all", fromMs: 0, toMs: 1, cause: "outage" }],
  digits: [{ participantId: "p1", digit: "#", atMs: 1, durationMs: 2 }],
  contactSheet: "sheet.jpg",
  statistics: [
    {
      participantId: "p1",
      tracks: [{ id: "p1:mic", source: "microphone", statistics: stats }],
      connections: [stats],
    },
  ],
  faults: { "rtp-late": 2 },
} satisfies { [K in keyof Whole<Manifest>]: unknown };

const check = (change: (m: typeof whole) => unknown = () => undefined) => {
  const copy = structuredClone(whole);
  change(copy);
  return checkManifest(copy);
};
const valid = { manifest: expect.anything() };

test("everything that the types know has a place in the schema", async () => {
  expect(await check()).toEqual({ manifest: whole });
  const variants: [string, readonly string[], (m: Record<string, unknown>, value: string) => void][] = [
    ["kind", kinds, (m, v) => Object.assign(m, { tracks: [{ ...track, kind: v }] })],
    ["source", sources, (m, v) => Object.assign(m, { files: [{ ...file, source: v }] })],
    ["format", formats, (m, v) => Object.assign(m, { files: [{ ...file, format: v }] })],
    ["codec", codecs, (m, v) => Object.assign(m, { events: [{ ...events.codec, codec: v }] })],
    ["cause", causes, (m, v) => Object.assign(m, { events: [{ ...events.gap, cause: v }] })],
    ["by", by, (m, v) => Object.assign(m, { tracks: [{ ...track, sync: { ...sync, by: v } }] })],
    [
      "confidence",
      confidences,
      (m, v) => Object.assign(m, { tracks: [{ ...track, sync: { ...sync, confidence: v } }] }),
    ],
    ["what", whats, (m, v) => Object.assign(m, { events: [{ ...events.reconnect, what: v }] })],
    [
      "rotation",
      rotations,
      (m, v) => Object.assign(m, { events: [{ ...events.rotate, rotation: Number(v) }] }),
    ],
  ];
  for (const [name, values, set] of variants)
    for (const value of values) expect(await check((m) => set(m, value)), `${name} ${value}`).toEqual(valid);
});

test("the schema knows nothing that the types do not", () => {
  expect(unused(schema, whole)).toEqual([]);
  expect(unused({ ...schema, properties: { ...schema.properties, more: {} } }, whole)).toEqual(["/more"]);
});

test("no property is optional by accident", async () => {
  const optional: string[] = [];
  for (const pointer of pointersOf(whole)) {
    if (pointer.includes("/anything")) continue;
    const copy = structuredClone(whole);
    remove(copy, pointer);
    if ("manifest" in (await checkManifest(copy))) optional.push(pointer);
  }
  expect(optional.sort()).toEqual(
    [
      ...["/contactSheet", "/durationMs", "/participants/0/leftMs"],
      ...["/files/0/poster", "/files/0/recovered", "/files/0/sha256"],
      ...["/files/0/tracks/0/height", "/files/0/tracks/0/width"],
      ...["/tracks/0/sync/offsetMs", "/tracks/0/sync/residualMs", "/tracks/0/sync/slopePpm"],
      ...["/events/10/participantId", "/faults/rtp-late"],
      ...["/statistics/0/connections/0/x", "/statistics/0/tracks/0/statistics/x"],
    ].sort(),
  );
});

test("what does not belong there is named with its place", async () => {
  expect(await check((m) => Object.assign(m, { version: 2 }))).toMatchObject({ at: "/version" });
  expect(await check((m) => Object.assign(m.files[0] ?? {}, { more: 1 }))).toEqual({
    at: "/files/0",
    problem: 'must not have the property "more"',
  });
  expect(await check((m) => Object.assign(m.events[3] ?? {}, { kind: "smell" }))).toEqual({
    at: "/events/3",
    problem: "is none of the things that it could be",
  });
  expect(await check((m) => Object.assign(m.files[0] ?? {}, { sha256: "f00" }))).toMatchObject({
    at: "/files/0/sha256",
  });
  for (const nothing of [null, 7, "manifest", [], {}])
    expect(await checkManifest(nothing)).toMatchObject({ problem: expect.any(String) });
});

test("what a journal amounts to is a manifest", async () => {
  const opened = { participant: "Ann", participantId: "p1", source: "camera", format: "webm" } as const;
  const closed = { t: "file-close", format: "webm", durationMs: 900, bytes: 1, tracks: [fileTrack] } as const;
  const journal: JournalEntry[] = [
    { t: "session", version: 1, room: "ws://h/r", startedAt: 1, attempt: 0 },
    { t: "first-media", at: 1_700_000_000_000 },
    { t: "participant", id: "p1", name: "Ann", joinedMs: 0 },
    { t: "file-open", id: "0-1", temp: "Ann.webm.part", stem: "Ann", startMs: 0, ...opened },
    { t: "size", id: "0-1", atMs: 5, width: 4, height: 2 },
    { t: "gap", id: "0-1", kind: "video", fromMs: 5, toMs: 8, cause: "disk" },
    { ...closed, id: "0-1", path: "Ann.webm" },
    { t: "session", version: 1, room: "ws://h/r", startedAt: 1, attempt: 1 },
    { t: "file-open", id: "1-1", temp: "Ann-2.webm.part", stem: "Ann-2", startMs: 2000, ...opened },
    { ...closed, id: "1-1", path: "Ann-2.webm", recovered: true },
    { t: "digit", participantId: "p1", digit: "5", atMs: 3, durationMs: 90 },
    { t: "participant-left", id: "p1", leftMs: 3000 },
    { t: "statistics", participantId: "p1", tracks: [], connections: [] },
    { t: "faults", counts: { "rtp-late": 1 } },
    { t: "end", atMs: 3000 },
  ];
  expect(await checkManifest(JSON.parse(JSON.stringify(manifestOf(journal))))).toEqual(valid);
  expect(await checkManifest(manifestOf([]))).toEqual(valid);
});

/** A schema, as far as this test looks into it. */
type Node = {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
};

/** Properties of a schema that an example of it does not have. */
function unused(node: Node, value: unknown, where = ""): string[] {
  const defs = schema.$defs as unknown as Record<string, Node>;
  if (node.$ref !== undefined) return unused(defs[node.$ref.replace("#/$defs/", "")] ?? {}, value, where);
  if (node.items && Array.isArray(value)) {
    const { items } = node;
    const found = value.map((v) => unused(items, v, where));
    return (found[0] ?? [`${where}[]`]).filter((p) => found.every((list) => list.includes(p)));
  }
  if (node.oneOf) {
    const type = (value as { type?: unknown }).type;
    const matches = (n?: Node) => n?.const === type || n?.enum?.includes(type) === true;
    const chosen = node.oneOf.filter((n) => matches(n.properties?.type));
    return chosen.length === 1 && chosen[0] ? unused(chosen[0], value, where) : [`${where}: ${String(type)}`];
  }
  const of = (name: string) => (value as Record<string, unknown> | undefined)?.[name];
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    of(name) === undefined ? [`${where}/${name}`] : unused(child, of(name), `${where}/${name}`),
  );
}

/** JSON pointers of all properties in a value. */
function pointersOf(value: unknown, where = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, v]) => [
    ...(Array.isArray(value) ? [] : [`${where}/${name}`]),
    ...pointersOf(v, `${where}/${name}`),
  ]);
}

function remove(value: unknown, pointer: string): void {
  const names = pointer.split("/").slice(1);
  const last = names.pop() ?? "";
  let at = value as Record<string, unknown>;
  for (const name of names) at = at[name] as Record<string, unknown>;
  delete at[last];
}
