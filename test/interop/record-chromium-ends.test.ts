import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { readJournal } from "../../src/sinks/recorder/journal.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { Attendee, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { childrenOf, processInfo } from "../support/processes.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { until } from "../support/until.ts";

/** Files last as long as was recorded, within this many milliseconds. */
const TOLERANCE = 500;
/** Everything is safe this soon after the word to stop, or after the command died. */
const SAFE_MS = 3000;

describeWith("a recording of Chromium that ends early", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-record-ends-"));
    [browser, rooms] = await Promise.all([launchChromium(), serveRooms()]);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await rooms?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Starts to record a room with one participant, and waits for the given time of media. */
  async function record(room: string, ms: number, args: readonly string[] = []) {
    const attendee = await Attendee.join(browser, rooms.url, room, "Alice");
    const recording = new Recording(rooms.room(room), join(folder, room), args);
    await recording.sessionTime(ms);
    return { attendee, recording };
  }

  /** The media in a file of the session directory; it must decode without a complaint. */
  async function lengths(path: string): Promise<{ video: number; audio: number; frames: number }> {
    const inside = await inspectFile(path);
    expect(inside.errors).toEqual([]);
    return {
      video: inside.video?.endMs ?? 0,
      audio: inside.audio?.endMs ?? 0,
      frames: inside.video?.decoded ?? 0,
    };
  }

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`finishes everything soon after ${signal}`, async () => {
      const { recording } = await record(signal.toLowerCase(), 5000);
      const at = Date.now();
      recording.run.kill(signal);
      const r = await recording.ended();
      const took = Date.now() - at;
      const media = at - Date.parse(r.manifest.startedAt);
      const [file] = r.result.files;
      const inside = await lengths(file?.path ?? "");
      console.log(`${signal}: ended after ${took} ms, ${media} ms of media: ${JSON.stringify(inside)}`);
      expect([r.code, r.result.exit, r.result.files.length]).toEqual([0, 0, 1]);
      expect(took).toBeLessThanOrEqual(SAFE_MS);
      expect(r.manifest).toMatchObject({ complete: true, restarts: 0 });
      for (const ms of [inside.video, inside.audio, file?.durationMs ?? 0]) {
        expect(Math.abs(ms - media)).toBeLessThanOrEqual(TOLERANCE);
      }
      expect(inside.frames).toBeGreaterThan(50);
    });
  }

  it("ends by itself when the room stays empty", async () => {
    const { attendee, recording } = await record("empty", 3000, ["--until-empty", "3s"]);
    const leftAt = Date.now();
    await attendee.close();
    const r = await recording.ended();
    const took = Date.now() - leftAt;
    const media = leftAt - Date.parse(r.manifest.startedAt);
    const inside = await lengths(r.result.files[0]?.path ?? "");
    console.log(`until empty: ended after ${took} ms, ${media} ms of media: ${JSON.stringify(inside)}`);
    expect(r.code).toBe(0);
    expect(took).toBeGreaterThanOrEqual(3000);
    expect(took).toBeLessThanOrEqual(3000 + SAFE_MS);
    expect(Math.abs(inside.audio - media)).toBeLessThanOrEqual(TOLERANCE);
    expect(r.manifest.participants[0]?.leftMs).toBeGreaterThan(0);
  });

  it("goes on in the same session when the media process is killed", async () => {
    const { recording } = await record("killed-child", 4000, ["--duration", "10s"]);
    const child = await recording.mediaProcess();
    const killedAt = Date.now();
    process.kill(child, "SIGKILL");
    const r = await recording.ended();
    const killed = killedAt - Date.parse(r.manifest.startedAt);
    console.log(`killed child at ${killed} ms: ${JSON.stringify(r.manifest.files)}`);
    expect([r.code, r.result.exit]).toEqual([0, 0]);
    expect(r.result.session).toBe(recording.directory);
    expect(r.manifest).toMatchObject({ restarts: 1, complete: true });
    expect(r.result.files).toHaveLength(2);
    const [before, after] = r.manifest.files;
    if (!before || !after) throw new Error("files are missing");
    expect(before.recovered).toBe(true);
    // zero is the session's first packet; the part begins at its first frame, which may wait a moment
    expect(before.startMs).toBeLessThanOrEqual(TOLERANCE);
    expect(Math.abs(before.durationMs - killed)).toBeLessThanOrEqual(TOLERANCE);
    expect(after.startMs).toBeGreaterThan(killed);
    expect(after.startMs).toBeLessThan(killed + 4000);
    expect(Math.abs(after.startMs + after.durationMs - 10_000)).toBeLessThanOrEqual(TOLERANCE);
    for (const f of [before, after]) {
      const inside = await lengths(join(r.result.session, f.path));
      expect(Math.abs(inside.audio - f.durationMs)).toBeLessThanOrEqual(TOLERANCE);
      expect(Math.abs(inside.video - f.durationMs)).toBeLessThanOrEqual(TOLERANCE);
      expect(inside.frames).toBeGreaterThan(30);
    }
  });

  it("leaves no process behind when the command itself is killed", async () => {
    const { recording } = await record("killed-command", 5000);
    const child = await recording.mediaProcess();
    const directory = recording.directory ?? "";
    recording.run.kill("SIGKILL");
    const at = Date.now();
    await until("the media process ends", () => processInfo(child) === undefined, SAFE_MS);
    const files = readJournal(directory).filter((e) => e.t === "file-close");
    const inside = await lengths(join(directory, files[0]?.path ?? ""));
    console.log(`killed command: child gone after ${Date.now() - at} ms: ${JSON.stringify(inside)}`);
    expect(files).toHaveLength(1);
    expect(Math.abs(inside.audio - 5000)).toBeLessThanOrEqual(2 * TOLERANCE);
    expect(Math.abs(inside.video - 5000)).toBeLessThanOrEqual(2 * TOLERANCE);
  });

  it("leaves no ffmpeg behind when the command is killed during a conversion", async () => {
    const { recording } = await record("killed-conversion", 8000, ["--format", "mp4"]);
    const child = await recording.mediaProcess();
    const directory = recording.directory ?? "";
    recording.run.kill("SIGINT");
    const ffmpeg = await until("ffmpeg", () => childrenOf(child)[0], 10_000);
    expect(ffmpeg.command).toMatch(/ffmpeg/);
    recording.run.kill("SIGKILL");
    const at = Date.now();
    await until(
      "child and ffmpeg end",
      () => [child, ffmpeg.pid].every((p) => processInfo(p) === undefined),
      SAFE_MS,
    );
    const files = readJournal(directory).filter((e) => e.t === "file-close");
    const inside = await lengths(join(directory, files[0]?.path ?? ""));
    console.log(
      `killed in conversion: all gone after ${Date.now() - at} ms: ${files[0]?.path} ${JSON.stringify(inside)}`,
    );
    expect(files).toHaveLength(1);
    expect(Math.abs(inside.audio - 8000)).toBeLessThanOrEqual(2 * TOLERANCE);
  });
});
