import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeIfEmpty, sessionDirectory } from "../../src/bot/session-directory.ts";

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "roomtap-sessions-"));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

test("recordings of one room that start in the same second get directories of their own", () => {
  const room = "ws://127.0.0.1:1/standup?token=x";
  const names = [1, 2, 3].map(() => basename(sessionDirectory(join(out, "new"), room, 1_700_000_000_000)));
  expect(names).toEqual([
    "standup-2023-11-14T221320Z",
    "standup-2023-11-14T221320Z-2",
    "standup-2023-11-14T221320Z-3",
  ]);
  for (const name of names) expect(existsSync(join(out, "new", name))).toBe(true);
});

test("a place that cannot be written to is refused before the room is joined", () => {
  writeFileSync(join(out, "file"), "");
  const refused = (path: string) => () => sessionDirectory(path, "ws://h/r", 0);
  expect(refused(join(out, "file"))).toThrow(expect.objectContaining({ code: "output-unwritable" }));
  expect(refused(join(out, "file", "below"))).toThrow(expect.objectContaining({ code: "output-unwritable" }));
  // Node itself would try this for ever.
  expect(refused("/proc/nobody/can/make/this")).toThrow(
    expect.objectContaining({ code: "output-unwritable", hint: expect.stringContaining("--out") }),
  );
});

test("a session that nothing came of leaves no directory, and one that something came of stays", () => {
  const empty = sessionDirectory(out, "ws://h/r", 0);
  expect(removeIfEmpty(empty)).toBe(true);
  expect(existsSync(empty)).toBe(false);
  expect(removeIfEmpty(empty)).toBe(true);
  const full = join(out, "full");
  mkdirSync(full);
  writeFileSync(join(full, "journal.jsonl"), "");
  expect(removeIfEmpty(full)).toBe(false);
  expect(existsSync(full)).toBe(true);
});
