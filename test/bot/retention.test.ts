import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseKeep } from "../../src/bot/keep-rule.ts";
import { applyRetention } from "../../src/bot/retention.ts";
import { sessionDirectory } from "../../src/bot/session-directory.ts";
import { lockSession } from "../../src/bot/session-lock.ts";
import { wallMillis } from "../../src/core/time.ts";
import { Journal } from "../../src/sinks/recorder/journal.ts";
import { manifestOf, writeManifest } from "../../src/sinks/recorder/manifest.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2030, 5, 15);

let root: string;
let out: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-keep-"));
  out = join(root, "out");
  mkdirSync(out);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

type Shape = { complete?: boolean; running?: boolean; bytes?: number; changed?: number };

/** A session that ended so many days ago, as the recorder leaves it. */
function session(daysAgo: number, o: Shape = {}): string {
  const startedAt = NOW - daysAgo * DAY - 60_000;
  const path = sessionDirectory(out, "ws://h/standup", startedAt);
  const journal = new Journal(path);
  journal.append({ t: "session", version: 1, room: "ws://h/standup", startedAt, attempt: 0 });
  journal.close();
  writeFileSync(join(path, "ada.webm"), new Uint8Array(o.bytes ?? 1000));
  const manifest = { ...manifestOf([]), startedAt: new Date(startedAt).toISOString() };
  writeManifest(path, {
    ...manifest,
    complete: o.complete ?? true,
    ...(o.running ? {} : { durationMs: 60_000 }),
  });
  const changed = (o.changed ?? startedAt) / 1000;
  utimesSync(join(path, "manifest.json"), changed, changed);
  return path;
}

/** Applies a rule; returns the names that are left, and what was said. */
async function keep(text: string, present?: string) {
  const said: string[] = [];
  const removed = await applyRetention({
    out,
    rule: parseKeep(text),
    present,
    now: wallMillis(NOW),
    onNotice: (n) => said.push(`${n.level}: ${n.text}`),
  });
  return { said, removed: removed.map((s) => s.path), left: readdirSync(out).map((n) => join(out, n)) };
}

describe("what a rule removes", () => {
  test("sessions that ended longer ago than the age, each with a line that says so", async () => {
    const [old, older, young] = [session(8), session(300), session(6.9)];
    const { removed, left, said } = await keep("7d");
    expect(removed).toEqual([older, old]);
    expect(left).toEqual([young]);
    expect(said[1]).toBe(`info: removed ${old} (1 kB, ended 2030-06-07 00:00 UTC): --keep 7d`);
    expect(said).toHaveLength(2);
    expect((await keep("7d")).said).toEqual([]);
  });

  test("the oldest sessions until the others are small enough", async () => {
    const paths = [5, 4, 3, 2, 1].map((d) => session(d, { bytes: 100_000 }));
    const { removed, left } = await keep("320k");
    expect(removed).toEqual(paths.slice(0, 2));
    expect(left).toEqual(paths.slice(2));
  });

  test("both, where both hold", async () => {
    const paths = [9, 4, 3].map((d) => session(d, { bytes: 100_000 }));
    const { removed, said } = await keep("7d,150k");
    expect(removed).toEqual(paths.slice(0, 2));
    expect(said.map((s) => s.split(": ").at(-1))).toEqual(["--keep 7d", "--keep 150k"]);
  });

  test("a session with folders in it goes whole", async () => {
    const path = session(8);
    mkdirSync(join(path, "segments"));
    writeFileSync(join(path, "segments", "1.webm"), "");
    expect((await keep("7d")).left).toEqual([]);
  });

  test("what an interrupted removal left", async () => {
    const path = session(8);
    rmSync(join(path, "ada.webm"));
    expect((await keep("7d")).removed).toEqual([path]);
  });
});

describe("what is never touched", () => {
  test("the present session, a running one, one that somebody works in, an incomplete one", async () => {
    const present = session(50);
    const spared = [session(40, { running: true }), session(30, { complete: false }), session(20)];
    const release = lockSession(spared[2] ?? "");
    const gone = session(10);
    const { removed, left, said } = await keep("7d,1k", present);
    expect(removed).toEqual([gone]);
    expect(left.toSorted()).toEqual([present, ...spared].toSorted());
    expect(said.at(-1)).toMatch(/^warn: the sessions in .* in spite of --keep 1k: .*roomtap repair/);
    release();
    expect((await keep("7d", present)).removed).toEqual([spared[2]]);
  });

  test("a session whose clock was wrong: when its manifest was written counts as well", async () => {
    session(20_000, { changed: NOW - DAY });
    expect((await keep("7d")).removed).toEqual([]);
  });

  test.each<[string, (path: string) => void]>([
    ["without a journal", (p) => rmSync(join(p, "journal.jsonl"))],
    ["with another journal", (p) => writeFileSync(join(p, "journal.jsonl"), '{"t":"log","version":1}\n')],
    ["with a journal of another version", (p) => rewrite(p, "journal.jsonl", '"version":1', '"version":2')],
    ["with a journal that is no JSON", (p) => writeFileSync(join(p, "journal.jsonl"), "{\n")],
    ["without a manifest", (p) => rmSync(join(p, "manifest.json"))],
    [
      "with a manifest of another version",
      (p) => rewrite(p, "manifest.json", '"version": 1', '"version": 2'),
    ],
    ["with a manifest that is no JSON", (p) => writeFileSync(join(p, "manifest.json"), "[1")],
    ["with a manifest of nothing", (p) => writeFileSync(join(p, "manifest.json"), "null")],
    ["without a time", (p) => rewrite(p, "manifest.json", '"startedAt": "2', '"startedAt": "x')],
    ["with a journal that is a link", (p) => link(p, "journal.jsonl")],
    ["with a manifest that is a link", (p) => link(p, "manifest.json")],
  ])("a directory %s", async (_, change) => {
    const path = session(50);
    change(path);
    expect((await keep("7d,1k")).removed).toEqual([]);
    expect(existsSync(join(path, "ada.webm"))).toBe(true);
  });

  test("a directory of another name, a file, and a link to a session elsewhere", async () => {
    const path = session(50);
    const elsewhere = join(root, basename(path));
    for (const to of [join(out, "holidays"), elsewhere]) {
      mkdirSync(to);
      for (const name of readdirSync(path)) writeFileSync(join(to, name), readFileSync(join(path, name)));
    }
    rmSync(path, { recursive: true });
    symlinkSync(elsewhere, path);
    writeFileSync(join(out, "x-2020-01-01T000000Z"), "");
    expect((await keep("7d,1k")).removed).toEqual([]);
    expect(readdirSync(out)).toHaveLength(3);
    expect(readdirSync(elsewhere)).toHaveLength(3);
  });

  test("what a link in a session points to", async () => {
    const path = session(50);
    const precious = join(root, "precious");
    mkdirSync(precious);
    writeFileSync(join(precious, "thesis"), new Uint8Array(5e6));
    symlinkSync(precious, join(path, "folder"));
    symlinkSync(join(precious, "thesis"), join(path, "file.webm"));
    expect((await keep("1M")).removed).toEqual([]);
    expect((await keep("7d")).removed).toEqual([path]);
    expect(readdirSync(precious)).toEqual(["thesis"]);
  });
});

test("a directory that is not there holds nothing", async () => {
  rmSync(out, { recursive: true });
  const said: unknown[] = [];
  const o = { out, rule: parseKeep("7d,1k"), now: wallMillis(NOW), onNotice: (n: unknown) => said.push(n) };
  expect(await applyRetention(o)).toEqual([]);
  expect(said).toEqual([]);
});

test("what cannot be removed is said and stays a session, and the next one is removed", async () => {
  const [stuck, other] = [session(9), session(8)];
  // A name that is no UTF-8: Node cannot name this file.
  writeFileSync(Buffer.concat([Buffer.from(`${stuck}/`), Buffer.of(0xff)]), "");
  const { removed, said } = await keep("7d");
  expect(removed).toEqual([other]);
  expect(said[0]).toBe(`warn: ${stuck} cannot be removed (ENOTEMPTY)`);
  expect(readdirSync(stuck)).toContain("manifest.json");
});

function rewrite(path: string, name: string, from: string, to: string): void {
  const text = readFileSync(join(path, name), "utf8");
  expect(text).toContain(from);
  writeFileSync(join(path, name), text.replace(from, to));
}

function link(path: string, name: string): void {
  const target = join(root, `target-${name}`);
  writeFileSync(target, readFileSync(join(path, name)));
  rmSync(join(path, name));
  symlinkSync(target, join(path, name));
}
