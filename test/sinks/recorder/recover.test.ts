import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { manifestOf } from "../../../src/sinks/recorder/manifest.ts";
import { recoverSession } from "../../../src/sinks/recorder/recover.ts";
import { blocksOf } from "../../support/matroska.ts";
import { until } from "../../support/until.ts";
import { ms, pictureAt, TestSession } from "./session.ts";

let open: TestSession[] = [];
afterEach(() => {
  for (const s of open) s.close();
  open = [];
});

/** What is on disk of a session whose process dies after this much media. */
async function killed(
  o: { seconds?: number; format?: "auto" | "mp4"; who?: string[] } = {},
): Promise<TestSession> {
  const s = new TestSession({ format: o.format ?? "auto" });
  open.push(s);
  const seconds = o.seconds ?? 4;
  const size = (name: string) => statSync(join(s.directory, name)).size;
  for (const who of o.who ?? ["Alice"]) {
    s.feed(s.add("mic", { who, name: who }), s.add("cam", { who, name: who }), 0, seconds * 1000);
  }
  const temps = s.entriesOf("file-open").map((e) => e.temp);
  const expected = temps.length * s.recorder.bytesOf((o.who ?? ["Alice"])[0] ?? "");
  await until("the disk", () => temps.reduce((n, t) => n + size(t), 0) === expected);
  const dead = new TestSession();
  open.push(dead);
  dead.journal.close();
  for (const name of readdirSync(s.directory))
    copyFileSync(join(s.directory, name), join(dead.directory, name));
  return dead;
}

const files = (s: TestSession) =>
  readdirSync(s.directory)
    .filter((n) => n !== "journal.jsonl")
    .sort();

test("what a killed recorder left is completed, also when its last write is torn", async () => {
  for (const torn of [0, 1, 3, 40]) {
    const s = await killed({ who: ["Alice", "Bob"] });
    for (const temp of files(s))
      truncateSync(join(s.directory, temp), statSync(join(s.directory, temp)).size - torn);
    expect(await recoverSession(s.directory)).toBeUndefined();
    expect(files(s)).toEqual(["Alice.webm", "Bob.webm"]);
    const manifest = manifestOf(s.entries);
    expect(manifest).toMatchObject({ complete: true, files: [{ recovered: true }, { recovered: true }] });
    for (const f of manifest.files) {
      // Frames that still waited for their turn are lost: 0.3 s, and what was torn.
      expect(f.durationMs).toBeGreaterThan(3600);
      expect(f.durationMs).toBeLessThanOrEqual(4020);
      expect(f.bytes).toBe(statSync(join(s.directory, f.path)).size);
      const blocks = blocksOf(s.events(f.path));
      expect(f.tracks.reduce((n, t) => n + t.frames, 0)).toBe(blocks.length);
      expect(s.events(f.path).every((e) => e.t !== "cluster" || e.end !== undefined)).toBe(true);
    }
  }
});

test("the process has time for other things while a long file is recovered", async () => {
  const s = new TestSession();
  open.push(s);
  const cam = s.add("cam");
  const data = pictureAt(0, [640, 360]).data;
  for (let t = 0; t < 4000; t += 100) {
    const large = new Uint8Array(500_000);
    large.set(data);
    s.recorder.frame(cam, { ...pictureAt(t, [640, 360]), data: large });
    s.recorder.tick(ms(t));
  }
  const temp = join(s.directory, s.entriesOf("file-open")[0]?.temp ?? "");
  await s.recorder.drained();
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  expect(await recoverSession(s.directory)).toBeUndefined();
  clearInterval(timer);
  expect(existsSync(temp)).toBe(false);
  // Eighteen megabytes, read in pieces of one.
  expect(turns).toBeGreaterThan(4);
  expect(s.blocks("Alice.webm").length).toBeGreaterThan(35);
});

test("recovering twice is recovering once", async () => {
  const s = await killed();
  await recoverSession(s.directory);
  const before = { entries: s.entries, blocks: s.blocks("Alice.webm"), files: files(s) };
  expect(await recoverSession(s.directory)).toBeUndefined();
  expect({ entries: s.entries, blocks: s.blocks("Alice.webm"), files: files(s) }).toEqual(before);
});

test("a recovery that dies before its last line is done again", async () => {
  const s = await killed();
  await recoverSession(s.directory);
  const lines = s.entries.filter((e) => e.t !== "file-close");
  writeFileSync(join(s.directory, "journal.jsonl"), lines.map((e) => `${JSON.stringify(e)}\n`).join(""));
  const blocks = s.blocks("Alice.webm");
  await recoverSession(s.directory);
  expect(files(s)).toEqual(["Alice.webm"]);
  expect(s.blocks("Alice.webm")).toEqual(blocks);
  expect(manifestOf(s.entries).complete).toBe(true);
});

test("a file that is gone is missing in the manifest, and the others are completed", async () => {
  const s = await killed({ who: ["Alice", "Bob"] });
  rmSync(join(s.directory, "Alice.webm.part"));
  expect(await recoverSession(s.directory)).toBeUndefined();
  expect(files(s)).toEqual(["Bob.webm"]);
  expect(manifestOf(s.entries)).toMatchObject({ complete: false, files: [{ path: "Bob.webm" }] });
});

test("files in which nothing is are taken away", async () => {
  for (const size of [0, 10, 2000, 4150]) {
    const s = await killed();
    truncateSync(join(s.directory, "Alice.webm.part"), size);
    expect(await recoverSession(s.directory)).toBeUndefined();
    expect(files(s)).toEqual([]);
    expect(manifestOf(s.entries)).toMatchObject({ complete: true, files: [] });
  }
});

test("a file that cannot be read is left alone and named, and the others are completed", async () => {
  const s = await killed({ who: ["Alice", "Bob"] });
  writeFileSync(join(s.directory, "Alice.webm.part"), new Uint8Array(100_000).fill(0x55));
  const failure = await recoverSession(s.directory);
  expect(failure).toMatchObject({ code: "incomplete" });
  expect(failure?.message).toContain("Alice.webm.part");
  expect(files(s)).toEqual(["Alice.webm.part", "Bob.webm"]);
});

test("one that cannot be opened does not keep the others from being completed", async () => {
  const s = await killed({ who: ["Alice", "Bob"] });
  rmSync(join(s.directory, "Alice.webm.part"));
  mkdirSync(join(s.directory, "Alice.webm.part"));
  expect(await recoverSession(s.directory)).toMatchObject({ code: "incomplete" });
  expect(existsSync(join(s.directory, "Bob.webm"))).toBe(true);
});

test("conversions that are skipped, or have no ffmpeg, leave Matroska", async () => {
  const skipped = await killed({ format: "mp4" });
  // What the dead process was converting to is of no use.
  writeFileSync(join(skipped.directory, "Alice.mp4.part"), "half");
  expect(
    await recoverSession(skipped.directory, { ffmpeg: "ffmpeg", skip: AbortSignal.abort() }),
  ).toBeUndefined();
  expect(files(skipped)).toEqual(["Alice.mkv"]);
  const without = await killed({ format: "mp4" });
  expect(await recoverSession(without.directory, { ffmpeg: "" })).toMatchObject({ code: "ffmpeg-missing" });
  expect(files(without)).toEqual(["Alice.mkv"]);
  for (const s of [skipped, without]) {
    expect(manifestOf(s.entries)).toMatchObject({
      complete: true,
      files: [{ format: "mkv", recovered: true }],
    });
  }
});

test("without a word about ffmpeg, the media is made safe and its conversion left to a later call", async () => {
  const s = await killed({ format: "mp4" });
  expect(await recoverSession(s.directory)).toBeUndefined();
  expect(files(s)).toEqual(["Alice.mkv"]);
  expect(manifestOf(s.entries)).toMatchObject({ complete: false, files: [] });
  await recoverSession(s.directory, { ffmpeg: "", skip: AbortSignal.abort() });
  expect(manifestOf(s.entries)).toMatchObject({ complete: true, files: [{ path: "Alice.mkv" }] });
});

test("a directory without a journal is left as it is", async () => {
  const s = new TestSession();
  open.push(s);
  rmSync(join(s.directory, "journal.jsonl"));
  expect(await recoverSession(s.directory)).toBeUndefined();
  expect(readdirSync(s.directory)).toEqual([]);
});
