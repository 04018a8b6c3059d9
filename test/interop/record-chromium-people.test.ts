import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { ManifestFile } from "../../src/sinks/recorder/manifest.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { type InspectedFile, inspectFile, longestGap } from "../support/inspect-file.ts";
import { Attendee, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { type Recorded, Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

/** Files last as long as people were there, within this many milliseconds. */
const TOLERANCE = 500;

describeWith("people who come, go, switch things and share screens, recorded", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-record-people-"));
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

  const enter = (room: string, name: string, more?: Record<string, string>) =>
    Attendee.join(browser, rooms.url, room, name, more);

  const inspected = (r: Recorded, f: ManifestFile): Promise<InspectedFile> =>
    inspectFile(join(r.result.session, f.path));

  function summary(title: string, r: Recorded): void {
    const files = r.manifest.files.map((f) => [f.path, f.source, f.startMs, f.durationMs]);
    console.log(`${title}: ${JSON.stringify(files)}`);
  }

  it("gives everybody a file of their own, as long as they were there", async () => {
    const room = "people";
    // Muted before joining, the camera too: black pictures and silence, from the first moment on.
    const muted = await Attendee.open(browser, rooms.url, room, { name: "Ann" });
    for (const button of ["#lobby-mic", "#lobby-cam"]) {
      await muted.page.locator(`${button}[aria-pressed="true"]`).click();
    }
    await muted.press(/^Join$/);
    const recording = new Recording(rooms.room(room), join(folder, room), ["--duration", "15s"]);
    await recording.fileOpened();
    await recording.sessionTime(5000);
    const second = await enter(room, "Ann");
    await recording.fileOpened(2);
    await recording.sessionTime(11_000);
    const leftAt = Date.now();
    await second.close();
    const r = await recording.ended();
    summary("people", r);
    expect(r.code).toBe(0);
    expect(r.manifest.files).toHaveLength(2);

    const zero = Date.parse(r.manifest.startedAt);
    const [first, other] = r.manifest.files;
    if (!first || !other) throw new Error("files are missing");
    expect(first).toMatchObject({ participant: "Ann", path: "Ann.webm", source: "camera", startMs: 0 });
    expect(Math.abs(first.durationMs - 15_000)).toBeLessThanOrEqual(TOLERANCE);
    expect(other).toMatchObject({ participant: "Ann", path: "Ann-2.webm" });
    expect(other.startMs).toBeGreaterThan(5000);
    expect(other.startMs).toBeLessThan(9000);
    expect(Math.abs(other.startMs + other.durationMs - (leftAt - zero))).toBeLessThanOrEqual(TOLERANCE);
    for (const f of r.manifest.files) {
      const inside = await inspected(r, f);
      expect(inside.errors).toEqual([]);
      expect(Math.abs((inside.audio?.endMs ?? 0) - f.durationMs)).toBeLessThanOrEqual(TOLERANCE);
      expect(inside.audio?.longestGapMs).toBeLessThanOrEqual(100);
    }
  });

  it("keeps files where they belong, whatever people call themselves", async () => {
    const room = "names";
    for (const name of ["../../x", "\u{1f389}", "long".repeat(75)]) await enter(room, name, { video: "0" });
    const r = await new Recording(rooms.room(room), join(folder, room), ["--duration", "3s"]).ended();
    summary("names", r);
    expect(r.code).toBe(0);
    expect(r.result.files).toHaveLength(3);
    expect(readdirSync(join(folder, room))).toEqual([basename(r.result.session)]);
    for (const f of r.result.files) {
      expect(dirname(f.path)).toBe(r.result.session);
      expect(existsSync(f.path)).toBe(true);
      expect(Buffer.byteLength(basename(f.path))).toBeLessThanOrEqual(100);
      expect(basename(f.path)).toMatch(/^[\p{L}\p{N}_-]+\.webm$/u);
      expect(Math.abs(f.durationMs - 3000)).toBeLessThanOrEqual(TOLERANCE);
    }
    expect(new Set(r.result.files.map((f) => f.path)).size).toBe(3);
  });

  it("follows cameras, screens and reloads", async () => {
    const room = "changes";
    const bob = await enter(room, "Bob", { video: "0" });
    const recording = new Recording(rooms.room(room), join(folder, room), ["--duration", "24s"]);
    await recording.sessionTime(4000);
    await bob.press(/^Turn camera on/);
    await recording.sessionTime(8000);
    await bob.press(/^Turn camera off/);
    await bob.press(/^Share your screen/);
    await recording.sessionTime(11_000);
    await bob.press(/^Turn camera on/);
    await recording.sessionTime(14_000);
    await bob.press(/^Stop sharing/);
    await recording.sessionTime(16_000);
    const reloadedAt = Date.now();
    await bob.page.reload();
    const r = await recording.ended();
    summary("changes", r);
    expect(r.code).toBe(0);
    const zero = Date.parse(r.manifest.startedAt);
    const camera = r.manifest.files.find((f) => f.source !== "screen");
    const screen = r.manifest.files.find((f) => f.source === "screen");
    const again = r.manifest.files.find((f) => f !== camera && f.source !== "screen");
    if (!camera || !screen || !again) throw new Error("files are missing");

    // The camera's file begins with the microphone and gets its picture when there is one.
    expect(camera).toMatchObject({ path: "Bob.webm", participant: "Bob", startMs: 0 });
    expect(Math.abs(camera.durationMs - (reloadedAt - zero))).toBeLessThanOrEqual(TOLERANCE);
    const inside = await inspected(r, camera);
    expect(inside.errors).toEqual([]);
    expect(inside.audio?.longestGapMs).toBeLessThanOrEqual(100);
    const firstPicture = inside.video?.times[0] ?? 0;
    console.log(`camera: first picture ${firstPicture} ms, pictures ${inside.video?.decoded}`);
    expect(firstPicture).toBeGreaterThan(4000);
    expect(firstPicture).toBeLessThan(6500);
    // Switched off and on again: the pictures go on, up to the reload.
    expect(inside.video?.times.filter((t) => t > 12_500 && t < 15_500).length).toBeGreaterThan(30);
    expect(longestGap(inside.video?.times ?? [], 12_500)).toBeLessThan(1000);

    // The screen has a file of its own, as long as it was shared.
    expect(screen.path).toBe("Bob-screen.webm");
    expect(screen.participant).toBe("Bob");
    const shared = await inspected(r, screen);
    expect(shared.errors).toEqual([]);
    expect(shared.video?.decoded).toBeGreaterThan(10);
    expect(screen.startMs).toBeGreaterThan(8000);
    expect(screen.startMs).toBeLessThan(10_500);
    expect(Math.abs(screen.startMs + screen.durationMs - 14_000)).toBeLessThanOrEqual(1000);

    // Whoever comes back under the same name is somebody new.
    expect(again).toMatchObject({ path: "Bob-2.webm", participant: "Bob" });
    expect(again.startMs).toBeGreaterThan(reloadedAt - zero);
    expect(again.startMs).toBeLessThan(reloadedAt - zero + 5000);
    expect(Math.abs(again.startMs + again.durationMs - 24_000)).toBeLessThanOrEqual(TOLERANCE);
    expect((await inspected(r, again)).errors).toEqual([]);
  });
});
