import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { JournalEntry } from "../../../src/sinks/recorder/journal.ts";
import { manifestOf, writeManifest } from "../../../src/sinks/recorder/manifest.ts";
import { isSession, readSession } from "../../../src/sinks/verify/session.ts";
import { sessionPath } from "../../../src/sinks/verify/session-path.ts";

let root: string;
let dir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-session-"));
  dir = join(root, "session");
  mkdirSync(dir);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const opened = (id: string, stem: string, startMs = 0): JournalEntry => ({
  ...{ t: "file-open", id, temp: `${stem}.webm.part`, stem, format: "webm", startMs },
  ...{ participant: "Ann", participantId: "p1", source: "camera" },
});
const closed = (id: string, path: string): JournalEntry => ({
  ...{ t: "file-close", id, path, format: "webm", durationMs: 5000, bytes: 1, tracks: [] },
});
const start: JournalEntry = { t: "session", version: 1, room: "ws://h/r", startedAt: 0, attempt: 0 };

/** Writes a journal, and a manifest of a part of it. */
function write(journal: readonly JournalEntry[], inManifest: readonly JournalEntry[] = journal): void {
  writeFileSync(join(dir, "journal.jsonl"), journal.map((e) => `${JSON.stringify(e)}\n`).join(""));
  writeManifest(dir, manifestOf(inManifest));
}
const codes = async () => (await readSession(dir)).findings.map((f) => `${f.code} ${f.path ?? ""}`.trim());

test("a session in order has no findings", async () => {
  write([start, opened("1", "Ann"), closed("1", "Ann.webm")]);
  expect(isSession(dir)).toBe(true);
  expect(await readSession(dir)).toMatchObject({ complete: true, findings: [], manifest: { version: 1 } });
  rmSync(join(dir, "journal.jsonl"));
  expect(await readSession(dir)).toMatchObject({ complete: true, findings: [] });
});

test("files that were begun and not finished make it incomplete, whatever the manifest says", async () => {
  write([start, opened("1", "Ann"), closed("1", "Ann.webm"), opened("2", "Bob")], [start]);
  expect(await codes()).toEqual(["incomplete", "manifest-stale Ann.webm"]);
  writeFileSync(join(dir, "Bob.webm.part"), "");
  expect(await codes()).toEqual(["incomplete", "left-over Bob.webm.part", "manifest-stale Ann.webm"]);
  expect(await readSession(dir)).toMatchObject({ complete: false });
});

test("a file in which nothing was is not missing", async () => {
  write([start, opened("1", "Ann"), { t: "file-empty", id: "1" }]);
  expect(await readSession(dir)).toMatchObject({ complete: true, findings: [] });
});

test("a manifest that is missing leaves the session incomplete", async () => {
  write([start, opened("1", "Ann"), closed("1", "Ann.webm")]);
  rmSync(join(dir, "manifest.json"));
  expect(isSession(dir)).toBe(true);
  expect(await codes()).toEqual(["manifest-missing manifest.json"]);
  expect(await readSession(dir)).toMatchObject({ complete: false, manifest: undefined });
  rmSync(join(dir, "journal.jsonl"));
  expect(isSession(dir)).toBe(false);
});

test("files of one camera that hold the same time are found", async () => {
  write([
    start,
    ...[opened("1", "Ann"), closed("1", "Ann.webm")],
    ...[opened("2", "Ann-2", 5400), closed("2", "Ann-2.webm")],
    ...[opened("3", "Ann-3", 8000), closed("3", "Ann-3.webm")],
    ...[opened("4", "Ann-video-2", 1000), closed("4", "Ann-video-2.webm")],
  ]);
  expect(await codes()).toEqual(["files-overlap Ann-3.webm"]);
});

test.each([
  ["no JSON", "{"],
  ["another document", '{"version":1}'],
  ["a list without end", "[".repeat(100_000)],
  ["nothing", ""],
])("a manifest that is %s is one clear finding", async (_, text) => {
  writeFileSync(join(dir, "manifest.json"), text);
  const { manifest, findings } = await readSession(dir);
  expect(manifest).toBeUndefined();
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({ code: "manifest-invalid", path: "manifest.json" });
});

test("a manifest of a size that none has is not read", async () => {
  writeFileSync(join(dir, "manifest.json"), "");
  truncateSync(join(dir, "manifest.json"), 2 ** 40);
  expect((await readSession(dir)).findings).toEqual([
    { code: "manifest-invalid", message: expect.stringContaining("1099511627776"), path: "manifest.json" },
  ]);
});

test("a journal of anything does no harm", async () => {
  write([start]);
  const lines = [null, 1, "x", [], { t: "file-open" }, { t: "file-close", id: 1, path: {} }];
  writeFileSync(join(dir, "journal.jsonl"), `${lines.map((l) => JSON.stringify(l)).join("\n")}\n{"t":`);
  expect(await codes()).toEqual([]);
  truncateSync(join(dir, "journal.jsonl"), 2 ** 40);
  expect(await codes()).toEqual(["manifest-stale journal.jsonl"]);
});

test("manifest and journal are not opened where they lead out of the session or are no files", async () => {
  writeManifest(root, manifestOf([start]));
  writeFileSync(join(root, "journal.jsonl"), "");
  for (const name of ["manifest.json", "journal.jsonl"]) symlinkSync(join("..", name), join(dir, name));
  expect(await codes()).toEqual(["unsafe-path manifest.json", "unsafe-path journal.jsonl"]);
  for (const name of ["manifest.json", "journal.jsonl"]) {
    rmSync(join(dir, name));
    execFileSync("mkfifo", [join(dir, name)]);
  }
  expect(await codes()).toEqual(["unsafe-path manifest.json", "unsafe-path journal.jsonl"]);
});

test("only a file inside the session is a path of it", () => {
  writeFileSync(join(root, "secret.webm"), "x");
  writeFileSync(join(dir, "Ann.webm"), "four");
  mkdirSync(join(dir, "parts"));
  writeFileSync(join(dir, "parts", "..hidden"), "x");
  symlinkSync("../secret.webm", join(dir, "out.webm"));
  symlinkSync("Ann.webm", join(dir, "in.webm"));
  symlinkSync("..", join(dir, "up"));
  symlinkSync("/nowhere", join(dir, "dangling"));
  symlinkSync("/dev/zero", join(dir, "zero"));
  expect(sessionPath(dir, "Ann.webm")).toMatchObject({ bytes: 4 });
  expect(sessionPath(dir, "in.webm")).toMatchObject({ bytes: 4 });
  expect(sessionPath(dir, "parts/..hidden")).toMatchObject({ bytes: 1 });
  for (const path of ["gone.webm", "Ann.webm/x", "parts/gone"])
    expect(sessionPath(dir, path), path).toBe("missing");
  for (const path of [
    ...["", ".", "parts", "../secret.webm", "parts/../../secret.webm", join(root, "secret.webm")],
    ...["C:\\x", "..\\secret.webm", "\\\\host\\share", "a\0b", "out.webm", "up/secret.webm", "dangling"],
    "zero",
  ])
    expect(sessionPath(dir, path), path).toBe("unsafe");
  const link = join(root, "link");
  symlinkSync(dir, link);
  expect(sessionPath(link, "Ann.webm")).toMatchObject({ bytes: 4 });
});
