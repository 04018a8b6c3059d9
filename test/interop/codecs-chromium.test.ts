import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { Attendee, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { until } from "../support/until.ts";

/*
 * Every codec that a browser can send, recorded as it comes. The recorder is in the room first, so that the browser
 * offers, in its own words.
 */

const SECONDS = 4;

/** What is asked of the page, and what the file then holds. */
const cases = [
  { codec: "vp9,opus", format: "webm", video: "vp9", audio: "opus", wire: ["audio/opus", "video/VP9"] },
  { codec: "av1,opus", format: "webm", video: "av1", audio: "opus", wire: ["audio/opus", "video/AV1"] },
  { codec: "vp8,red", format: "webm", video: "vp8", audio: "opus", wire: ["audio/RED", "video/VP8"] },
  { codec: "vp8,pcmu", format: "mkv", video: "vp8", audio: "pcm_s16le", wire: ["audio/PCMU", "video/VP8"] },
  { codec: "vp8,pcma", format: "mp4", video: "h264", audio: "aac", wire: ["audio/PCMA", "video/VP8"] },
  { codec: "vp8,g722", format: "mkv", video: "vp8", audio: "g722", wire: ["audio/G722", "video/VP8"] },
] as const;

describeWith("codecs of Chromium", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-codecs-chromium-"));
    [browser, rooms] = await Promise.all([
      launchChromium(["--use-fake-device-for-media-stream=fps=30"]),
      serveRooms(),
    ]);
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });

  afterAll(async () => {
    await browser?.close();
    await rooms?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(cases)("$codec is recorded as $format", async (c) => {
    const room = c.codec.replace(",", "-");
    const recording = new Recording(rooms.room(room), join(folder, room), [
      ...["--duration", `${SECONDS}s`, "--format", c.format],
    ]);
    await until("the recorder in the room", () => recording.journal.some((e) => e.t === "session"), 20_000);
    await Attendee.join(browser, rooms.url, room, "Alice", { codec: c.codec });
    const { result, code, stderr, manifest } = await recording.ended();
    const [file] = result.files;
    if (!file) throw new Error(`nothing was recorded: ${stderr}`);
    const inside = await inspectFile(file.path);
    const { video, audio } = inside;
    console.log(
      `${c.codec}: ${JSON.stringify({ ...video, times: video?.times.length })} ${JSON.stringify({ ...audio, times: audio?.times.length })}`,
    );
    expect(code).toBe(0);
    expect(inside.errors).toEqual([]);
    expect([file.format, video?.codec]).toEqual([c.format, c.video]);
    expect(audio?.codec).toContain(c.audio);
    const objects = manifest.statistics.flatMap((s) => s.tracks.flatMap((t) => Object.values(t.statistics)));
    const wire = objects.flatMap((s) => (s.type === "codec" ? [s.mimeType] : []));
    expect([...new Set(wire)].sort()).toEqual(c.wire);
    expect(Math.abs((audio?.durationMs ?? 0) - 1000 * SECONDS)).toBeLessThanOrEqual(60);
    expect(audio?.longestGapMs).toBeLessThanOrEqual(45);
    // A browser on a busy machine skips pictures of codecs that are slow to encode.
    expect(video?.decoded).toBeGreaterThan(10 * SECONDS);
  });
});
