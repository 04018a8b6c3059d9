import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repair } from "../../src/bot/repair.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { runFfmpeg } from "../../src/ffmpeg/run.ts";
import type { Manifest } from "../../src/sinks/recorder/manifest.ts";
import { recoverSession } from "../../src/sinks/recorder/recover.ts";
import { TestSession } from "../sinks/recorder/session.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "roomtap-conversion-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A session of three seconds that was to become MP4, whose media is complete and whose conversion is not done. */
async function unconverted(): Promise<string> {
  const directory = join(root, "session");
  const s = new TestSession({ format: "mp4" });
  s.journal.append({ t: "session", version: 1, room: "r", startedAt: 1_770_000_000_000, attempt: 0 });
  s.feed(s.add("mic"), undefined, 0, 3000);
  await s.recorder.drained();
  cpSync(s.directory, directory, { recursive: true });
  s.close();
  await recoverSession(directory);
  expect(readdirSync(directory).sort()).toEqual(["Alice.mkv", "journal.jsonl"]);
  return directory;
}

const tone = async (path: string, seconds: number) =>
  runFfmpeg({
    ffmpeg: await locateFfmpeg(),
    command: {
      inputs: [{ source: `sine=duration=${seconds}`, options: ["-f", "lavfi"] }],
      options: ["-c:a", "aac", "-f", "mp4"],
      output: path,
    },
  });

const manifestIn = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));

test("a conversion that nobody lived to tell of is not done again", async () => {
  const directory = await unconverted();
  await tone(join(directory, "Alice.mp4"), 3);
  const made = readFileSync(join(directory, "Alice.mp4"));
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  expect(repaired[0]?.files).toMatchObject([{ path: "Alice.mp4", convertedFrom: "Alice.mkv" }]);
  expect(Buffer.compare(readFileSync(join(directory, "Alice.mp4")), made)).toBe(0);
  expect(readdirSync(directory)).not.toContain("Alice.mkv");
  expect(manifestIn(directory)).toMatchObject({ complete: true, files: [{ path: "Alice.mp4" }] });
});

test("a file of somebody else that is called as the result would be stays, and so does nothing half-made", async () => {
  const directory = await unconverted();
  await tone(join(directory, "Alice.mp4"), 8);
  writeFileSync(join(directory, "Alice-2.mp4.part"), "half");
  const { exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  expect(manifestIn(directory)).toMatchObject({ complete: true, files: [{ path: "Alice-2.mp4" }] });
  expect(
    readdirSync(directory)
      .filter((n) => /Alice/.test(n))
      .sort(),
  ).toEqual(["Alice-2.mp4", "Alice.mp4"]);
});

test("a Matroska that was kept when its conversion was skipped becomes what was asked for", async () => {
  const directory = await unconverted();
  await recoverSession(directory, { ffmpeg: "", skip: AbortSignal.abort() });
  const { repaired, exit } = await repair({ path: directory });
  expect(exit).toBe(0);
  expect(repaired[0]?.files).toMatchObject([{ path: "Alice.mp4", convertedFrom: "Alice.mkv" }]);
  expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
});

test("what was converted and is still there as Matroska as well is removed once", async () => {
  const directory = await unconverted();
  const source = readFileSync(join(directory, "Alice.mkv"));
  await repair({ path: directory });
  writeFileSync(join(directory, "Alice.mkv"), source);
  const { repaired } = await repair({ path: directory });
  expect(repaired[0]?.files).toEqual([{ path: "Alice.mkv", state: "spare" }]);
  expect(readdirSync(directory)).not.toContain("Alice.mkv");
  expect((await repair({ path: directory })).repaired[0]?.state).toBe("whole");
});

test("a torn file on its own becomes the container that is asked for, beside it", async () => {
  const directory = await unconverted();
  const path = join(root, "talk.mkv.part");
  writeFileSync(path, readFileSync(join(directory, "Alice.mkv")).subarray(0, -30));
  const { repaired, exit } = await repair({ path, format: "mp4" });
  expect(exit).toBe(0);
  expect(repaired[0]?.files.map((f) => f.path)).toEqual([join(root, "talk.mkv"), join(root, "talk.mp4")]);
  expect(repaired[0]?.files[1]?.durationMs).toBeGreaterThan(2600);
  expect(readdirSync(root).sort()).toEqual(["session", "talk.mkv", "talk.mp4"]);
});
