import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type FileClosed,
  type FileOpened,
  JOURNAL_FILE,
  Journal,
  type JournalEntry,
  readJournal,
} from "../../../src/sinks/recorder/journal.ts";
import { MANIFEST_FILE, manifestOf, writeManifest } from "../../../src/sinks/recorder/manifest.ts";
import { docTypeFor, extensionOf, finalFormat, isFinal } from "../../../src/sinks/recorder/output.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-journal-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const left = (n: number): JournalEntry => ({ t: "participant-left", id: `p${n}`, leftMs: n });

function write(...entries: JournalEntry[]): void {
  const journal = new Journal(folder);
  for (const e of entries) journal.append(e);
  journal.close();
  journal.close();
  journal.append(left(99));
}

test("what is appended is read back, over several starts", () => {
  write(left(1), left(2));
  write(left(3));
  expect(readJournal(folder)).toEqual([left(1), left(2), left(3)]);
});

test("a line that was torn by a kill costs itself only, not the next one", () => {
  write(left(1), left(2));
  const text = readFileSync(join(folder, JOURNAL_FILE), "utf8");
  for (let cut = 1; cut < text.length; cut++) {
    writeFileSync(join(folder, JOURNAL_FILE), text.slice(0, cut));
    const before = readJournal(folder);
    write(left(3));
    expect(readJournal(folder)).toEqual([...before, left(3)]);
  }
});

test("lines that are no entries are skipped", () => {
  write(left(1));
  appendFileSync(join(folder, JOURNAL_FILE), 'null\n5\n"t"\n[]\n{}\n{"t"\n\n');
  write(left(2));
  expect(readJournal(folder)).toEqual([left(1), left(2)]);
});

test("no journal is an empty one, and no directory an error for the person at the shell", () => {
  expect(readJournal(folder)).toEqual([]);
  expect(() => new Journal(join(folder, "missing"))).toThrow(
    expect.objectContaining({ code: "output-unwritable" }),
  );
});

const opened = (id: string, stem: string): FileOpened => ({
  t: "file-open",
  id,
  temp: `${stem}.webm.part`,
  stem,
  format: "webm",
  participant: stem,
  participantId: `id-${stem}`,
  source: "camera",
  startMs: 250,
});
const closed = (id: string, path: string): FileClosed => ({
  t: "file-close",
  id,
  path,
  format: "webm",
  durationMs: 1000,
  bytes: 5,
  tracks: [{ kind: "audio", codec: "opus", frames: 50 }],
});

test("the manifest says who was there, what was written and what is missing", () => {
  const entries: JournalEntry[] = [
    { t: "session", version: 1, room: "ws://x/r", startedAt: 1_000, attempt: 0 },
    { t: "participant", id: "id-A", name: "A", joinedMs: 0 },
    { t: "first-media", at: 5_000 },
    opened("0-1", "A"),
    { t: "size", id: "0-1", atMs: 3, width: 1, height: 2 },
    { t: "session", version: 1, room: "ws://x/r", startedAt: 1_000, attempt: 1 },
    opened("1-1", "A-2"),
    { t: "gap", id: "1-1", kind: "video", fromMs: 1, toMs: 2, cause: "disk" },
    { ...closed("0-1", "A.webm"), recovered: true },
    { t: "participant-left", id: "id-A", leftMs: 9 },
    { t: "faults", counts: { "rtp-late": 2, "rtp-duplicate": 1 } },
    { t: "faults", counts: { "rtp-late": 3 } },
  ];
  const partial = manifestOf(entries);
  expect(partial).toMatchObject({
    room: "ws://x/r",
    startedAt: new Date(5000).toISOString(),
    restarts: 1,
    complete: false,
    participants: [{ id: "id-A", name: "A", joinedMs: 0, leftMs: 9 }],
    files: [{ path: "A.webm", participantId: "id-A", startMs: 250, recovered: true }],
    events: expect.arrayContaining([
      { atMs: 3, type: "resize", participantId: "id-A", path: "A.webm", width: 1, height: 2 },
      { atMs: 9, type: "leave", participantId: "id-A" },
    ]),
    faults: { "rtp-late": 5, "rtp-duplicate": 1 },
  });
  const whole = manifestOf([...entries, closed("1-1", "A-2.webm")]);
  expect(whole.complete).toBe(true);
  expect(whole.gaps).toEqual([{ path: "A-2.webm", kind: "video", fromMs: 1, toMs: 2, cause: "disk" }]);
  writeManifest(folder, whole);
  expect(JSON.parse(readFileSync(join(folder, MANIFEST_FILE), "utf8"))).toEqual(whole);
  expect(readdirSync(folder)).toEqual([MANIFEST_FILE]);
});

test("a manifest that cannot be written is an error for the person at the shell", () => {
  expect(() => writeManifest(join(folder, "missing"), manifestOf([]))).toThrow(
    expect.objectContaining({ code: "output-unwritable" }),
  );
});

test.each([
  ["auto", ["vp8", "opus"], "webm", "webm"],
  ["auto", ["opus"], "webm", "webm"],
  ["auto", ["h264", "opus"], "mkv", "matroska"],
  ["webm", ["vp9", "opus"], "webm", "webm"],
  ["webm", ["h264", "opus"], "webm", "matroska"],
  ["mkv", ["vp8"], "mkv", "matroska"],
  ["mp4", ["vp8", "opus"], "mp4", "matroska"],
  ["mp4", ["h264"], "mp4", "matroska"],
  ["ogg", ["opus"], "ogg", "matroska"],
  ["ogg", ["pcmu", "opus"], "ogg", "matroska"],
] as const)("for %s with %j the file becomes %s and is %s first", (format, codecs, asked, docType) => {
  expect(finalFormat(format, codecs)).toBe(asked);
  expect(docTypeFor(format, codecs)).toBe(docType);
  expect(isFinal(asked, codecs)).toBe(extensionOf(docType) === asked);
});
