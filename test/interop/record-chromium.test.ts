import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { RecordedFile } from "../../src/bot/record.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { type InspectedFile, inspectFile, topLevelBoxes } from "../support/inspect-file.ts";
import { Attendee, counterAt, type Sample, type ServedRooms, serveRooms } from "../support/meeting.ts";
import { type Recorded, Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

describeWith("one participant in Chromium, recorded by the command line", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-record-chromium-"));
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

  type Take = Recorded & { file: RecordedFile; inside: InspectedFile; samples: Sample[]; sentFrames: number };

  /** Records an attendee for a number of seconds and looks into the file. */
  async function take(o: { codec: string; format: string; seconds: number }): Promise<Take> {
    const room = `${o.codec}-${o.format}`;
    const attendee = await Attendee.join(browser, rooms.url, room, "Alice", { codec: o.codec });
    await attendee.watch();
    const recording = new Recording(rooms.room(room), join(folder, room), [
      ...["--duration", `${o.seconds}s`, "--format", o.format],
    ]);
    const recorded = await recording.ended();
    const samples = await attendee.samples();
    const [file] = recorded.result.files;
    if (!file) throw new Error(`nothing was recorded: ${recorded.stderr}`);
    // The connection is new, so that its counters begin with the recording's first keyframe.
    const sentFrames = counterAt(samples, (samples[0]?.at ?? 0) + 1000 * o.seconds, "framesSent");
    const inside = await inspectFile(file.path);
    const bitrates = samples.map((s) => s.targetBitrate);
    const figures = {
      ...{ sentFrames: Math.round(sentFrames), decodedFrames: inside.video?.decoded },
      ...{ audioMs: inside.audio?.durationMs, audioEndMs: inside.audio?.endMs, durationMs: file.durationMs },
      ...{ longestVideoGapMs: inside.video?.longestGapMs, longestAudioGapMs: inside.audio?.longestGapMs },
      ...{ maxTarget: Math.max(...bitrates), lastTarget: bitrates.at(-1), errors: inside.errors.length },
      ...{ plis: samples.at(-1)?.plis, nacks: samples.at(-1)?.nacks },
    };
    console.log(`${room}: ${JSON.stringify(figures)}`);
    return { ...recorded, file, inside, samples, sentFrames };
  }

  function expectWhole(t: Take, seconds: number): void {
    expect(t.code).toBe(0);
    expect(t.inside.errors).toEqual([]);
    expect(t.inside.video?.decoded).toBeGreaterThanOrEqual(0.95 * t.sentFrames);
    expect(t.inside.video?.decoded).toBe(t.file.tracks.find((track) => track.kind === "video")?.frames);
    expect(Math.abs((t.inside.audio?.endMs ?? 0) - 1000 * seconds)).toBeLessThanOrEqual(50);
    expect(Math.abs((t.inside.audio?.durationMs ?? 0) - 1000 * seconds)).toBeLessThanOrEqual(50);
    expect(Math.abs(t.file.durationMs - 1000 * seconds)).toBeLessThanOrEqual(50);
  }

  it("writes VP8 and Opus as they come into WebM, and says what it wrote", async () => {
    const t = await take({ codec: "vp8", format: "auto", seconds: 20 });
    expectWhole(t, 20);
    expect(t.inside.audio?.longestGapMs).toBeLessThanOrEqual(30);
    expect(Math.max(...t.samples.map((s) => s.targetBitrate))).toBeGreaterThanOrEqual(1_500_000);
    expect(t.samples.at(-1)?.targetBitrate).toBeGreaterThanOrEqual(1_500_000);
    // Every figure that programs rely on is there, and no other.
    expect(t.result).toEqual({
      session: expect.stringContaining(join(folder, "vp8-auto", "vp8-auto-")),
      files: [
        {
          path: join(t.result.session, "Alice.webm"),
          participant: "Alice",
          format: "webm",
          durationMs: expect.any(Number),
          bytes: expect.any(Number),
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          tracks: expect.any(Array),
        },
      ],
      exit: 0,
    });
    expect([...t.file.tracks].sort((a, b) => a.kind.localeCompare(b.kind))).toEqual([
      { kind: "audio", codec: "opus", frames: t.inside.audio?.times.length },
      { kind: "video", codec: "vp8", frames: t.inside.video?.times.length, width: 1280, height: 720 },
    ]);
    expect(t.inside.video?.codec).toBe("vp8");
    expect(t.inside.audio?.codec).toBe("opus");
  });

  it("encodes VP8 for MP4", async () => {
    const t = await take({ codec: "vp8", format: "mp4", seconds: 8 });
    expectWhole(t, 8);
    expect([t.file.format, t.inside.video?.codec, t.inside.audio?.codec]).toEqual(["mp4", "h264", "aac"]);
    const boxes = topLevelBoxes(t.file.path);
    expect(boxes.indexOf("moov")).toBeGreaterThan(0);
    expect(boxes.indexOf("moov")).toBeLessThan(boxes.indexOf("mdat"));
  });

  it("copies H.264 into MP4 with AAC, and into Matroska with Opus", async (context) => {
    const probe = await Attendee.open(browser, rooms.url, "probe", {});
    const mimes = await probe.page.evaluate(
      "RTCRtpSender.getCapabilities('video').codecs.map((c) => c.mimeType.toLowerCase())",
    );
    await probe.close();
    if (!(mimes as string[]).includes("video/h264")) {
      console.log("skipped: this build of Chromium cannot send H.264");
      context.skip();
    }
    const mp4 = await take({ codec: "h264", format: "mp4", seconds: 10 });
    expectWhole(mp4, 10);
    expect([mp4.file.format, mp4.inside.video?.codec, mp4.inside.audio?.codec]).toEqual([
      "mp4",
      "h264",
      "aac",
    ]);
    const boxes = topLevelBoxes(mp4.file.path);
    expect(boxes.indexOf("moov")).toBeGreaterThan(0);
    expect(boxes.indexOf("moov")).toBeLessThan(boxes.indexOf("mdat"));

    const mkv = await take({ codec: "h264", format: "mkv", seconds: 8 });
    expectWhole(mkv, 8);
    expect([mkv.file.format, mkv.inside.video?.codec, mkv.inside.audio?.codec]).toEqual([
      "mkv",
      "h264",
      "opus",
    ]);
  });
});
