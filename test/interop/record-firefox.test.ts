import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Firefox, findFirefox } from "../support/firefox.ts";
import { inspectFile } from "../support/inspect-file.ts";
import { type ServedRooms, serveRooms } from "../support/meeting.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";

const SECONDS = 6;

describeWith("one participant in Firefox", [findFirefox()], () => {
  let firefox: Firefox;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-record-firefox-"));
    [firefox, rooms] = await Promise.all([Firefox.launch(), serveRooms()]);
  });

  afterAll(async () => {
    await firefox?.close();
    await rooms?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const framesSent = async () =>
    Number(
      await firefox.evaluate(
        `roomtap.stats().then((rows) => rows.find((r) => r.type === "outbound-rtp" && r.kind === "video")?.framesSent ?? 0)`,
      ),
    );

  it("is recorded whole", async () => {
    await firefox.goto(`${rooms.url}r/fox?${new URLSearchParams({ name: "Fox", autojoin: "1" })}`);
    const recording = new Recording(rooms.room("fox"), folder, ["--duration", `${SECONDS}s`]);
    await recording.fileOpened();
    const from = await framesSent();
    await recording.sessionTime(1000 * (SECONDS - 2));
    const sent = (await framesSent()) - from;
    const { code, result, stderr } = await recording.ended();
    expect(code, stderr).toBe(0);
    const [file] = result.files;
    if (!file) throw new Error(`nothing was recorded: ${stderr}`);
    expect(file.participant).toBe("Fox");
    const inside = await inspectFile(file.path);
    const { video, audio } = inside;
    console.log(
      `firefox: ${JSON.stringify({ sent, decoded: video?.decoded, codec: video?.codec, audioMs: audio?.durationMs })}`,
    );
    expect(inside.errors).toEqual([]);
    // Over the whole length at least what was sent in the part of it that was watched.
    expect(sent).toBeGreaterThan(0);
    expect(video?.decoded).toBeGreaterThanOrEqual(0.99 * sent);
    expect(video?.decoded).toBe(file.tracks.find((t) => t.kind === "video")?.frames);
    expect(Math.abs((audio?.durationMs ?? 0) - 1000 * SECONDS)).toBeLessThanOrEqual(50);
    expect(audio?.codec).toBe("opus");
  });
});
