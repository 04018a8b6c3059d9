import { execFileSync, spawn } from "node:child_process";
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
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isLocked, LOCK_FILE, lockSession, takeSession } from "../../src/bot/session-lock.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "roomtap-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const hold = (text: string) => writeFileSync(join(directory, LOCK_FILE), text);

test("a session is locked from when somebody works in it until they say that they no longer do", () => {
  expect(isLocked(directory)).toBe(false);
  const release = lockSession(directory);
  expect(isLocked(directory)).toBe(true);
  release();
  expect(isLocked(directory)).toBe(false);
  expect(existsSync(join(directory, LOCK_FILE))).toBe(false);
  release();
});

test("a process that died holds nothing, nor does a later one that got its id", async () => {
  const child = spawn("true");
  await new Promise((resolve) => child.once("close", resolve));
  hold(JSON.stringify({ host: hostname(), pid: child.pid }));
  expect(isLocked(directory)).toBe(false);
  lockSession(directory);
  const own = JSON.parse(readFileSync(join(directory, LOCK_FILE), "utf8"));
  expect(own.pid).toBe(process.pid);
  hold(JSON.stringify({ ...own, start: "another-boot/1" }));
  expect(isLocked(directory)).toBe(false);
});

test("a process of another machine holds it for as long as it shows that it lives", () => {
  hold(JSON.stringify({ host: "elsewhere", pid: 1 }));
  expect(isLocked(directory)).toBe(true);
  const before = Date.now() / 1000 - 600;
  utimesSync(join(directory, LOCK_FILE), before, before);
  expect(isLocked(directory)).toBe(false);
});

test("what nobody holds can be taken once, and only its holder gives it back", () => {
  const release = takeSession(directory);
  expect(release).toBeDefined();
  expect(takeSession(directory)).toBeUndefined();
  const other = { host: "elsewhere", pid: 1 };
  hold(JSON.stringify(other));
  release?.();
  expect(JSON.parse(readFileSync(join(directory, LOCK_FILE), "utf8"))).toEqual(other);
  expect(takeSession(directory)).toBeUndefined();
  expect(readdirSync(directory)).toEqual([LOCK_FILE]);
});

test("what a dead process left is taken, and nothing stays behind", async () => {
  const child = spawn("true");
  await new Promise((resolve) => child.once("close", resolve));
  hold(JSON.stringify({ host: hostname(), pid: child.pid }));
  // Another died while it said who it was.
  writeFileSync(join(directory, `${LOCK_FILE}.4711`), "{");
  const release = takeSession(directory);
  expect(JSON.parse(readFileSync(join(directory, LOCK_FILE), "utf8"))).toMatchObject({ pid: process.pid });
  expect(readdirSync(directory)).toEqual([LOCK_FILE]);
  release?.();
  expect(readdirSync(directory)).toEqual([]);
});

test.each(["", "{", "null", "[]", '{"host":1}', '{"host":"h","pid":-1}', '{"host":"h","pid":"1"}'])(
  "a lock that says %j says nothing",
  (text) => {
    hold(text);
    expect(isLocked(directory)).toBe(false);
  },
);

test("a lock that cannot be read counts", () => {
  mkdirSync(join(directory, LOCK_FILE));
  expect(isLocked(directory)).toBe(true);
});

test("a directory that is gone is not locked, and locking it does no harm", () => {
  rmSync(directory, { recursive: true });
  lockSession(directory)();
  expect(isLocked(directory)).toBe(false);
});

test.skipIf(process.platform === "win32")(
  "a lock that is a pipe, or leads elsewhere, is nobody's and is not waited for",
  () => {
    const path = join(directory, LOCK_FILE);
    for (const make of [() => execFileSync("mkfifo", [path]), () => symlinkSync("/dev/zero", path)]) {
      make();
      expect(isLocked(directory)).toBe(false);
      const release = takeSession(directory);
      expect(release).toBeDefined();
      release?.();
      expect(readdirSync(directory)).toEqual([]);
    }
  },
);
