import { expect, test } from "vitest";
import type { FileClosed, FileOpened, JournalEntry } from "../../../src/sinks/recorder/journal.ts";
import { manifestOf } from "../../../src/sinks/recorder/manifest.ts";

const opened = (stem: string, startMs: number): FileOpened => ({
  t: "file-open",
  id: stem,
  temp: `${stem}.webm.part`,
  stem,
  format: "webm",
  participant: "Ann",
  participantId: "p1",
  source: "camera",
  startMs,
});
const closed = (stem: string, durationMs: number): FileClosed => ({
  t: "file-close",
  id: stem,
  path: `${stem}.webm`,
  format: "webm",
  durationMs,
  bytes: 1,
  tracks: [],
});
const session = (attempt: number): JournalEntry => ({
  t: "session",
  version: 1,
  room: "ws://h/r",
  startedAt: 0,
  attempt,
});

test("what is missing while the recorder was replaced is a gap", () => {
  const journal = [
    session(0),
    opened("Ann", 0),
    session(1),
    closed("Ann", 1161),
    opened("Ann-2", 7728),
    closed("Ann-2", 2000),
  ];
  const { gaps, restarts } = manifestOf(journal);
  expect(restarts).toBe(1);
  expect(gaps).toEqual([{ path: "Ann-2.webm", kind: "all", fromMs: 1161, toMs: 7728, cause: "restart" }]);
});

test("a participant who comes back in the same attempt has no gap for it", () => {
  const journal = [
    session(0),
    opened("Ann", 0),
    closed("Ann", 1000),
    opened("Ann-2", 5000),
    closed("Ann-2", 10),
  ];
  expect(manifestOf(journal).gaps).toEqual([]);
});
