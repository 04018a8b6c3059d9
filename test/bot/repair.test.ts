import { spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Repaired, type RepairResult, repair as repairAll } from "../../src/bot/repair.ts";
import { LOCK_FILE, lockSession } from "../../src/bot/session-lock.ts";
import { RoomtapError } from "../../src/core/fault.ts";
import type { Manifest } from "../../src/sinks/recorder/manifest.ts";
import { ms, TestSession } from "../sinks/recorder/session.ts";
import { blocksOf, readEvents } from "../support/matroska.ts";
import { mountUnavailable, tinyDisk } from "../support/tiny-disk.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-repair-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const repair = (o: { path: string }): Promise<RepairResult> => repairAll({ ...o, pictures: false });

/** What is on disk of a session whose process dies after three seconds of media. */
async function killed(name = "standup-2026-01-31T090000Z", who = ["Alice"]): Promise<string> {
  const directory = join(root, name);
  mkdirSync(directory);
  const live = new TestSession();
  live.journal.append({ t: "session", version: 1, room: "r", startedAt: 1_770_000_000_000, attempt: 0 });
  live.journal.append({ t: "first-media", at: 1_770_000_000_100 });
  for (const id of who) {
    live.journal.append({ t: "participant", id, name: id, joinedMs: 0 });
    live.feed(live.add("mic", { who: id, name: id }), live.add("cam", { who: id, name: id }), 0, 3000);
  }
  await live.recorder.drained();
  for (const file of readdirSync(live.directory))
    copyFileSync(join(live.directory, file), join(directory, file));
  live.recorder.tick(ms(3000));
  await live.recorder.finish();
  live.close();
  return directory;
}

const only = (list: readonly Repaired[]): Repaired => {
  expect(list).toHaveLength(1);
  return list[0] as Repaired;
};
const manifestIn = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
const frames = (path: string) => blocksOf(readEvents(new Uint8Array(readFileSync(path)))).length;

test("an interrupted session is complete afterwards, and says what was done", async () => {
  const directory = await killed();
  const part = join(directory, "Alice.webm.part");
  truncateSync(part, statSync(part).size - 3);
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  const { files, ...rest } = only(repaired);
  expect(rest).toEqual({ path: directory, state: "repaired", manifest: true });
  expect(files).toMatchObject([{ path: "Alice.webm", state: "completed", media: { damagedBytes: 0 } }]);
  expect(files[0]?.media?.openMs).toBeGreaterThan(500);
  expect(files[0]?.media?.cutBytes).toBeGreaterThan(0);
  expect(readdirSync(directory).sort()).toEqual([
    ...["Alice.webm", "chapters.vtt", "journal.jsonl", "manifest.json"],
  ]);
  expect(manifestIn(directory)).toMatchObject({
    complete: true,
    files: [{ path: "Alice.webm", recovered: true }],
  });
});

test.each([
  ["manifest.json", '{"version":1,"files":[{"path":"../../etc/passwd"}]}'],
  ["manifest.json", "\u0000".repeat(1000)],
  ["journal.jsonl", `{"t":"session"${"[".repeat(10_000)}\n${"x".repeat(100_000)}\n`],
])("a session of which a broken %s alone is there is not called whole", async (name, text) => {
  const directory = join(root, "broken");
  mkdirSync(directory);
  writeFileSync(join(directory, name), text);
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  expect(only(repaired)).toMatchObject({ state: "failed", files: [], error: { code: "incomplete" } });
  expect(readdirSync(directory)).toEqual([name]);
});

test("what is whole is left alone, to the octet", async () => {
  const directory = await killed();
  await repair({ path: directory });
  const content = () =>
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name)).toString("base64")]);
  const before = content();
  expect(await repair({ path: directory })).toEqual({
    exit: 0,
    repaired: [{ path: directory, state: "whole", files: [], manifest: false }],
  });
  expect(content()).toEqual(before);
});

test("a manifest that is missing, torn or of an earlier moment is written anew", async () => {
  const directory = await killed();
  await repair({ path: directory });
  const path = join(directory, "manifest.json");
  const whole = manifestIn(directory);
  for (const text of [undefined, "{", JSON.stringify({ ...whole, files: [] })]) {
    rmSync(path);
    if (text !== undefined) writeFileSync(path, text);
    expect(only((await repair({ path: directory })).repaired)).toMatchObject({
      state: "repaired",
      manifest: true,
    });
    expect(manifestIn(directory)).toEqual(whole);
  }
});

test("a manifest that others would refuse, or that tells other times, is written anew", async () => {
  const directory = await killed();
  await repair({ path: directory });
  const path = join(directory, "manifest.json");
  const whole = manifestIn(directory);
  const [file] = whole.files;
  for (const other of [
    { ...whole, version: 2 },
    { ...whole, durationMs: -1 },
    { ...whole, events: [[]] },
    { ...whole, startedAt: "never" },
    { ...whole, files: [{ ...file, startMs: 9e15 }] },
  ]) {
    writeFileSync(path, JSON.stringify(other));
    expect(only((await repair({ path: directory })).repaired)).toMatchObject({ manifest: true });
    expect(manifestIn(directory)).toEqual(whole);
  }
});

test("a journal that tells what cannot be is named, and makes no session complete", async () => {
  const directory = await killed();
  appendFileSync(
    join(directory, "journal.jsonl"),
    `${JSON.stringify({ t: "keyframe-request", participantId: "Alice", atMs: -1 })}\n`,
  );
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  expect(only(repaired)).toMatchObject({ state: "failed", files: [{ state: "completed" }] });
  expect(only(repaired).error?.message).toContain("/events/0");
});

test.each(["file-open", "file-"])(
  "a finished file of which the journal lost its lines (%s...) stays in the manifest",
  async (lost) => {
    const directory = await killed();
    await repair({ path: directory });
    const before = manifestIn(directory).files;
    const path = join(directory, "journal.jsonl");
    const lines = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, lines.filter((line) => !line.includes(`"t":"${lost}`)).join("\n"));
    expect((await repair({ path: directory })).exit).toBe(0);
    expect(manifestIn(directory).files).toMatchObject(
      before.map(({ participant, durationMs, bytes }) => ({
        path: "Alice.webm",
        participant,
        durationMs,
        bytes,
      })),
    );
    expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
  },
);

test("a directory of sessions is repaired one by one; one that is being recorded is left alone", async () => {
  const dead = await killed("dead");
  const live = await killed("live");
  mkdirSync(join(root, "holiday-pictures"));
  const release = lockSession(live);
  const before = readdirSync(live);
  const { repaired, exit } = await repair({ path: root });
  expect(exit).toBe(0);
  expect(repaired.map((r) => [r.path, r.state])).toEqual([
    [dead, "repaired"],
    [live, "running"],
  ]);
  expect(readdirSync(live)).toEqual(before);
  await expect(repair({ path: live })).rejects.toMatchObject({ code: "usage" });
  release();
  expect((await repair({ path: live })).exit).toBe(0);
});

test("a lock that a dead process left does not keep anybody from repairing", async () => {
  const directory = await killed();
  const child = spawn("true");
  await new Promise((resolve) => child.once("close", resolve));
  writeFileSync(join(directory, LOCK_FILE), JSON.stringify({ host: hostname(), pid: child.pid }));
  expect((await repair({ path: directory })).exit).toBe(0);
  expect(existsSync(join(directory, LOCK_FILE))).toBe(false);
});

test("a session that lost its journal is repaired from what the directory holds", async () => {
  const directory = await killed(undefined, ["Alice", "Bob"]);
  rmSync(join(directory, "journal.jsonl"));
  const { exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  expect(manifestIn(directory)).toMatchObject({
    room: "standup",
    startedAt: "2026-01-31T09:00:00.000Z",
    complete: true,
    participants: [{ name: "Alice" }, { name: "Bob" }],
    files: [
      { path: "Alice.webm", participant: "Alice" },
      { path: "Bob.webm", participant: "Bob" },
    ],
  });
  expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
});

test("finished files whose journal is gone are taken up as they are, with what the manifest knew of them", async () => {
  const directory = await killed();
  await repair({ path: directory });
  const before = manifestIn(directory);
  const media = readFileSync(join(directory, "Alice.webm"));
  rmSync(join(directory, "journal.jsonl"));
  expect((await repair({ path: directory })).exit).toBe(0);
  expect(Buffer.compare(readFileSync(join(directory, "Alice.webm")), media)).toBe(0);
  const { participant, participantId, source, durationMs, tracks } = before.files[0] ?? {};
  expect(manifestIn(directory).files).toMatchObject([
    { participant, participantId, source, durationMs, tracks },
  ]);
});

test("a journal cut at any octet costs names at most, never media", async () => {
  const whole = await killed("whole");
  const journal = readFileSync(join(whole, "journal.jsonl"));
  await repair({ path: whole });
  const expected = frames(join(whole, "Alice.webm"));
  for (let cut = 0; cut < journal.length; cut += 111) {
    const directory = await killed(`cut-${cut}`);
    writeFileSync(join(directory, "journal.jsonl"), journal.subarray(0, cut));
    expect((await repair({ path: directory })).exit, `cut at ${cut}`).toBe(0);
    expect(frames(join(directory, "Alice.webm"))).toBe(expected);
    expect(manifestIn(directory)).toMatchObject({ complete: true, files: [{ path: "Alice.webm" }] });
    rmSync(directory, { recursive: true });
  }
});

test("a journal with hostile names touches nothing outside, and media in the directory is repaired", async () => {
  const outside = join(root, "precious.webm.part");
  const source = await killed("source");
  const torn = readFileSync(join(source, "Alice.webm.part"));
  const entry = (temp: string, stem = "x") => ({
    ...{ t: "file-open", id: `h-${temp}`, temp, stem, format: "webm", participant: "p", participantId: "p" },
    ...{ source: "camera", startMs: 0 },
  });
  const hostile: object[] = [
    entry("../precious.webm.part"),
    entry(outside),
    entry("..\\precious.webm.part"),
    entry("link.webm.part", "link"),
    entry("Alice.webm.part", "../precious"),
    { t: "file-complete", id: "h-x", path: "../precious.webm.part" },
    {
      t: "file-close",
      id: "h",
      path: "../../etc/passwd",
      format: "webm",
      durationMs: 1,
      bytes: 1,
      tracks: [],
    },
    { t: "session", version: 1, room: {}, startedAt: 1e300, attempt: "x" },
    { t: "__proto__" },
    { t: "participant", id: 7 },
    { t: "file-close", id: "h", path: "y", format: "webm", durationMs: 1, bytes: 1, tracks: [null] },
  ];
  const directory = await killed();
  writeFileSync(outside, torn);
  symlinkSync(outside, join(directory, "link.webm.part"));
  symlinkSync(outside, join(directory, "Alice.webm"));
  symlinkSync(outside, join(directory, "manifest.json.tmp"));
  appendFileSync(
    join(directory, "journal.jsonl"),
    `${hostile.map((e) => `${JSON.stringify(e)}\n`).join("")}null\n[]\n"x"\n{"t":`,
  );
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  const files = only(repaired).files;
  expect(files.filter((f) => f.error).map((f) => f.path)).toEqual(["link.webm.part"]);
  expect(files.find((f) => !f.error)).toMatchObject({ path: "Alice-2.webm", state: "completed" });
  expect(Buffer.compare(readFileSync(outside), torn)).toBe(0);
  expect(readdirSync(root).sort()).toEqual(["precious.webm.part", "source", "standup-2026-01-31T090000Z"]);
  expect(JSON.stringify(manifestIn(directory))).not.toMatch(/\.\.|passwd|precious/);
});

test("a journal that is a link is not followed", async () => {
  const directory = await killed();
  const outside = join(root, "outside.jsonl");
  renameSync(join(directory, "journal.jsonl"), outside);
  symlinkSync(outside, join(directory, "journal.jsonl"));
  const before = readFileSync(outside, "utf8");
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  expect(only(repaired)).toMatchObject({ state: "failed", error: { code: "incomplete" } });
  expect(readFileSync(outside, "utf8")).toBe(before);
  expect(existsSync(join(directory, "Alice.webm.part"))).toBe(true);
});

test("a finished file that lost its end with the power is finished again", async () => {
  const directory = await killed();
  await repair({ path: directory });
  const path = join(directory, "Alice.webm");
  const all = frames(path);
  truncateSync(path, Math.round(statSync(path).size * 0.7));
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  expect(only(repaired).files).toMatchObject([{ path: "Alice.webm", state: "completed" }]);
  expect(frames(path)).toBeLessThan(all);
  const { files, gaps } = manifestIn(directory);
  expect(files[0]?.bytes).toBe(statSync(path).size);
  expect(gaps.filter((g) => g.cause === "disk").map((g) => [g.kind, g.fromMs])).toEqual([
    ["video", files[0]?.durationMs],
    ["audio", files[0]?.durationMs],
  ]);
  expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
});

test.each([
  ["nothing", ""],
  ["something else", "#EXTM3U\n"],
  ["a header alone", undefined],
])("a finished file of which %s is left is not called empty, and stays as it is", async (_, text) => {
  const directory = await killed();
  await repair({ path: directory });
  const path = join(directory, "Alice.webm");
  if (text === undefined) truncateSync(path, 700);
  else writeFileSync(path, text);
  const left = readFileSync(path);
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  expect(only(repaired).files).toMatchObject([{ state: "failed", error: { code: "incomplete" } }]);
  expect(Buffer.compare(readFileSync(path), left)).toBe(0);
});

test("what a conversion left half-made is removed, and a recording of the same name that nobody tells of is not", async () => {
  const directory = await killed(undefined, ["Alice", "Bob"]);
  const own = join(directory, "Alice-2.webm.part");
  renameSync(join(directory, "Bob.webm.part"), own);
  const journal = join(directory, "journal.jsonl");
  const lines = readFileSync(journal, "utf8").split("\n");
  writeFileSync(journal, lines.filter((line) => !line.includes("Bob")).join("\n"));
  const foreign = Buffer.concat([Buffer.from("1a45dfa3", "hex"), Buffer.alloc(9000, 0x41)]);
  for (const name of ["Alice.mp4.part", "Alice-2.mkv.part", "Alice-3.webm.part"])
    writeFileSync(join(directory, name), foreign);
  expect((await repair({ path: directory })).exit).toBe(0);
  expect(manifestIn(directory)).toMatchObject({
    complete: true,
    files: [{ path: "Alice.webm" }, { path: "Alice-2.webm" }],
  });
  expect(readdirSync(directory).filter((n) => n.endsWith(".part"))).toEqual([]);
});

test.skipIf(mountUnavailable() !== undefined)(
  "on a full disk nothing is lost, the exit code is 5, and once there is room it is completed",
  async () => {
    const source = await killed();
    const disk = await tinyDisk(1_000_000);
    try {
      const directory = join(disk.path, "session");
      cpSync(source, directory, { recursive: true });
      const all = frames(join(directory, "Alice.webm.part"));
      const filler = openSync(join(disk.path, "filler"), "w");
      for (const size of [65_536, 4096, 1]) fill(filler, size);
      const { repaired, exit } = await repair({ path: directory });
      expect(exit).toBe(5);
      expect(only(repaired)).toMatchObject({ state: "failed" });
      const [media] = readdirSync(directory).filter((n) => n.includes(".webm"));
      expect(frames(join(directory, media ?? ""))).toBe(all);
      ftruncateSync(filler, 0);
      closeSync(filler);
      expect((await repair({ path: directory })).exit).toBe(0);
      expect(frames(join(directory, "Alice.webm"))).toBe(all);
      expect(manifestIn(directory)).toMatchObject({ complete: true, files: [{ path: "Alice.webm" }] });
      expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
    } finally {
      await disk.close();
    }
  },
);

/** Writes pieces until the disk takes no more. */
function fill(fd: number, size: number): void {
  try {
    while (writeSync(fd, new Uint8Array(size)) === size);
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  }
}

test("a file that is gone is named, and the session is incomplete", async () => {
  const directory = await killed(undefined, ["Alice", "Bob"]);
  rmSync(join(directory, "Alice.webm.part"));
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(9);
  expect(only(repaired).files).toMatchObject([
    { path: "Alice.webm.part", state: "failed", error: { code: "incomplete" } },
    { path: "Bob.webm", state: "completed" },
  ]);
});

test("a torn file on its own is completed in a copy that takes its place", async () => {
  const session = await killed("s");
  const part = join(root, "talk.webm.part");
  const torn = readFileSync(join(session, "Alice.webm.part")).subarray(0, -5);
  writeFileSync(part, torn);
  const { repaired, exit } = await repair({ path: part });
  expect(exit).toBe(0);
  expect(only(repaired)).toMatchObject({ state: "repaired", files: [{ path: join(root, "talk.webm") }] });
  expect(existsSync(part)).toBe(false);
  const named = join(root, "named.webm");
  writeFileSync(named, torn);
  expect((await repair({ path: named })).exit).toBe(0);
  expect(Buffer.compare(readFileSync(named), readFileSync(join(root, "talk.webm")))).toBe(0);
  expect(only((await repair({ path: named })).repaired)).toMatchObject({ state: "whole", files: [] });
  expect(readdirSync(root).sort()).toEqual(["named.webm", "s", "talk.webm"]);
});

test("a file that is none of ours is left as it is, and named", async () => {
  const path = join(root, "talk.webm.part");
  const garbage = new Uint8Array(100_000).fill(0x55);
  writeFileSync(path, garbage);
  const { repaired, exit } = await repair({ path });
  expect(exit).toBe(9);
  expect(only(repaired).error?.message).toContain(path);
  expect(Buffer.compare(readFileSync(path), garbage)).toBe(0);
  expect(readdirSync(root)).toEqual(["talk.webm.part"]);
});

test("a file of a session is not repaired without the others", async () => {
  const directory = await killed();
  await expect(repair({ path: join(directory, "Alice.webm.part") })).rejects.toMatchObject({
    code: "usage",
    hint: expect.stringContaining(directory),
  });
});

test.each(["nowhere", "empty", "notes.txt"])(
  "where nothing can be repaired (%s), it says so",
  async (name) => {
    mkdirSync(join(root, "empty"));
    writeFileSync(join(root, "notes.txt"), "hello");
    const failure = await repair({ path: join(root, name) }).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(RoomtapError);
    expect(failure).toMatchObject({ code: "usage" });
  },
);
