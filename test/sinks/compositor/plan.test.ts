import { describe, expect, test } from "vitest";
import {
  type Plan,
  type PlanOptions,
  planComposition,
  type Tile,
} from "../../../src/sinks/compositor/plan.ts";
import { clipUses } from "../../../src/sinks/compositor/usage.ts";
import type { SessionEvent } from "../../../src/sinks/recorder/session-events.ts";
import { type Call, callOf, type Guest } from "./call.ts";

const size = { width: 1280, height: 720, top: 0 };

function plan(call: Call, o: Partial<PlanOptions> = {}): Plan {
  return planComposition(call, { layout: "grid", part: { fromMs: 0, toMs: 10_000 }, ...size, ...o });
}

/** The scene that is to be seen at a time. */
function at(p: Plan, ms: number): readonly Tile[] {
  return p.scenes.findLast((s) => s.fromMs <= ms)?.tiles ?? [];
}

const ids = (tiles: readonly Tile[]) => tiles.map((t) => t.member.id).join(" ");
const speaks = (id: string, from: number, to: number): SessionEvent => ({
  atMs: from,
  type: "speaking",
  participantId: id,
  toMs: to,
});
const four: readonly Guest[] = [
  { id: "a", from: 0, to: 10_000 },
  { id: "late", from: 4000, to: 10_000 },
  { id: "early", from: 500, to: 6000 },
  { id: "d", from: 1000, to: 10_000 },
];

function expectApart(tiles: readonly Tile[], width: number, height: number): void {
  for (const [i, a] of tiles.entries()) {
    for (const n of [a.x, a.y, a.width, a.height]) expect(n % 2).toBe(0);
    expect(a.x).toBeGreaterThan(0);
    expect(a.y).toBeGreaterThan(0);
    expect(a.x + a.width).toBeLessThan(width);
    expect(a.y + a.height).toBeLessThan(height);
    for (const b of tiles.slice(i + 1)) {
      const apart =
        a.x + a.width < b.x || b.x + b.width < a.x || a.y + a.height < b.y || b.y + b.height < a.y;
      expect(apart, `${ids([a, b])}`).toBe(true);
    }
  }
}

describe("who is in the picture", () => {
  test("people come and go as they did in the call, in the order in which they came", () => {
    const p = plan(callOf(four));
    const seen = [0, 700, 2000, 5000, 7000].map((ms) => ids(at(p, ms)));
    expect(seen).toEqual(["a", "a early", "a early d", "a early d late", "a d late"]);
  });

  test("somebody of whom nothing was recorded is not there", () => {
    const p = plan(callOf([...four, { id: "recorder", from: 0, to: 10_000, files: [] }]));
    expect(ids(at(p, 5000))).toBe("a early d late");
  });

  test("who comes back after a while was gone in between, with a file before and after", () => {
    const files = [
      { path: "1.webm", startMs: 0, durationMs: 3000 },
      { path: "2.webm", startMs: 7000, durationMs: 3000 },
    ];
    const call = callOf([four[0] ?? { id: "a", from: 0, to: 1 }, { id: "b", from: 7000, to: 10_000, files }]);
    const p = plan(call);
    expect([2000, 5000, 8000].map((ms) => ids(at(p, ms)))).toEqual(["a b", "a", "a b"]);
    expect(at(p, 2000)[1]?.clip?.path).toBe("1.webm");
    expect(at(p, 8000)[1]?.clip).toMatchObject({ path: "2.webm", startMs: 7000 });
  });

  test("the last picture of a file stays until the next one begins, and for a moment before somebody leaves", () => {
    const files = [
      { path: "1.webm", startMs: 0, durationMs: 3000 },
      { path: "2.webm", startMs: 4000, durationMs: 2000 },
    ];
    const p = plan(callOf([{ id: "a", from: 0, to: 9000, files }]));
    const seen = [2999, 3999, 4000, 7400, 7600].map((ms) => at(p, ms)[0]?.clip?.path);
    expect(seen).toEqual(["1.webm", "1.webm", "2.webm", "2.webm", undefined]);
    expect(p.sounds.map((s) => s.toMs)).toEqual([3000, 6000]);
  });

  test("a part of the session has the clips from its middle on", () => {
    const p = plan(callOf(four), { part: { fromMs: 5500, toMs: 7000 } });
    expect(p.scenes[0]?.fromMs).toBe(5500);
    expect(at(p, 5500)[0]?.clip).toMatchObject({ startMs: 0, fromMs: 5500, toMs: 7000 });
    expect(p.sounds).toHaveLength(4);
  });

  test("cameras and microphones that are off leave a tile without a picture and with a sign", () => {
    const events: SessionEvent[] = [
      { atMs: 2000, type: "mute", participantId: "a", kind: "video" },
      { atMs: 3000, type: "mute", participantId: "a", kind: "audio" },
      { atMs: 5000, type: "unmute", participantId: "a", kind: "video" },
    ];
    const p = plan(callOf([{ id: "a", from: 0, to: 10_000 }], events));
    const looks = [1000, 2500, 4000, 6000].map((ms) => [
      at(p, ms)[0]?.clip !== undefined,
      at(p, ms)[0]?.muted,
    ]);
    expect(looks).toEqual([
      [true, false],
      [false, false],
      [false, true],
      [true, true],
    ]);
  });

  test("a long hole in a camera is dark, one in a screen holds its picture", () => {
    const gap = (path: string): SessionEvent => ({
      ...{ atMs: 2000, type: "gap", participantId: "a", path, kind: "video", toMs: 8000, cause: "outage" },
    });
    const files = [{ path: "cam.webm" }, { path: "screen.webm", source: "screen" as const }];
    const p = plan(callOf([{ id: "a", from: 0, to: 10_000, files }], [gap("cam.webm"), gap("screen.webm")]));
    expect(at(p, 5000).map((t) => [t.what, t.clip?.path])).toEqual([
      ["screen", "screen.webm"],
      ["camera", undefined],
    ]);
  });
});

describe("where people are", () => {
  test.each([1, 2, 3, 4, 5, 9, 16, 30, 49])("%d tiles are of one size and do not touch", (n) => {
    const guests = Array.from({ length: n }, (_, i) => ({ id: `g${i}`, from: 0, to: 10_000 }));
    for (const [width, height] of [
      [1280, 720],
      [320, 180],
      [720, 1280],
    ] as const) {
      const tiles = at(plan(callOf(guests), { width, height }), 0);
      expect(tiles).toHaveLength(n);
      expect(new Set(tiles.map((t) => `${t.width}x${t.height}`)).size).toBe(1);
      expectApart(tiles, width, height);
    }
  });

  test("more people than there is room for are counted in the last tile", () => {
    const guests = Array.from({ length: 60 }, (_, i) => ({ id: `g${i}`, from: 0, to: 10_000 }));
    const tiles = at(plan(callOf(guests)), 0);
    expect(tiles).toHaveLength(49);
    expect(tiles.at(-1)).toMatchObject({ more: 12, clip: undefined });
  });

  test.each(["grid", "speaker"] as const)(
    "a screen is large in the %s layout, with everybody beside it",
    (layout) => {
      const files = [
        { path: "cam.webm" },
        { path: "s.webm", source: "screen" as const, startMs: 3000, durationMs: 4000 },
      ];
      const guests = [...four.slice(1), { id: "a", from: 0, to: 10_000, files }];
      const p = plan(callOf(guests), { layout });
      const tiles = at(p, 4500);
      expect(tiles[0]).toMatchObject({ what: "screen", width: expect.any(Number) });
      expect(tiles[0]?.width).toBeGreaterThan(900);
      expect(ids(tiles.slice(1)).split(" ").toSorted()).toEqual(["a", "d", "early", "late"]);
      expectApart(tiles, 1280, 720);
      expect(at(p, 8000).some((t) => t.what === "screen")).toBe(false);
    },
  );

  test("who speaks changes places with who was large, and nobody else moves", () => {
    const events = [speaks("a", 1000, 3000), speaks("d", 5000, 7000), speaks("early", 5200, 5900)];
    const p = plan(callOf(four, events), { layout: "speaker" });
    expect(ids(at(p, 4500))).toBe("a early d late");
    expect(ids(at(p, 5000))).toBe("d early a late");
    expect(at(p, 5500).map((t) => t.speaking)).toEqual([true, true, false, false]);
    const [large, ...small] = at(p, 5500);
    for (const t of small) expect(t.width).toBeLessThan((large?.width ?? 0) / 4);
    expectApart(at(p, 5500), 1280, 720);
  });

  test("who speaks is seen beside a screen, also where not all have room", () => {
    const screen = [{ path: "cam.webm" }, { path: "s.webm", source: "screen" as const }];
    const guests: Guest[] = Array.from({ length: 40 }, (_, i) => ({ id: `g${i}`, from: 0, to: 10_000 }));
    const call = callOf(
      [{ id: "a", from: 0, to: 10_000, files: screen }, ...guests],
      [speaks("g39", 4000, 7000)],
    );
    const p = plan(call, { layout: "speaker", width: 640, height: 360 });
    expect(at(p, 2000).at(-1)?.more).toBeGreaterThan(10);
    expect(ids(at(p, 2000))).not.toContain("g39");
    const tile = at(p, 5000).find((t) => t.member.id === "g39");
    expect(tile).toMatchObject({ speaking: true, clip: { path: "g39.webm" } });
    expect(tile?.more).toBeUndefined();
  });
});

describe("what is decoded", () => {
  test("in the size that is shown for long, not in that of the moment alone at the start", () => {
    const p = plan(callOf(four));
    const use = clipUses(p).find((u) => u.clip.path === "a.webm");
    expect(use).toMatchObject({ spans: undefined });
    expect(use?.width).toBe(at(p, 5000)[0]?.width);
  });

  test("large enough for who is large sometimes", () => {
    const call = callOf(four, [speaks("d", 5000, 7000)]);
    const p = plan(call, { layout: "speaker" });
    expect(clipUses(p).find((u) => u.clip.path === "d.webm")?.width).toBe(at(p, 5500)[0]?.width);
    expect(clipUses(p).find((u) => u.clip.path === "early.webm")?.width).toBeLessThan(300);
  });

  test("three hours of thirty people with thousands of changes are planned, with a command of bounded length for each", () => {
    const hours = 3 * 3_600_000;
    const guests = Array.from({ length: 30 }, (_, i) => ({
      id: `g${i}`,
      from: i * 1000,
      to: hours - i * 500,
    }));
    const events = Array.from({ length: 3000 }, (_, i) => speaks(`g${i % 30}`, i * 3600, i * 3600 + 3000));
    const p = plan(callOf(guests, events), { layout: "speaker", part: { fromMs: 0, toMs: hours } });
    const uses = clipUses(p);
    expect(p.scenes.length).toBeGreaterThan(3000);
    expect(uses).toHaveLength(30);
    for (const u of uses) expect(u.spans?.length ?? 0).toBeLessThanOrEqual(100);
  });
});
