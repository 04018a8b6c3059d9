import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { findChromium, launchChromium } from "../support/chromium.ts";
import { runCli, startCli } from "../support/cli.ts";
import { type ServedRooms, serveRooms } from "../support/meeting.ts";
import { describeWith } from "../support/requires.ts";
import { streamDrama } from "../support/stream-drama.ts";
import { Streaming } from "../support/streaming.ts";

describeWith("a room with people who come and go, restreamed", [findChromium()], () => {
  let browser: Browser;
  let rooms: ServedRooms;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-restream-"));
    [browser, rooms] = await Promise.all([launchChromium(), serveRooms()]);
  });

  afterAll(async () => {
    await browser?.close();
    await rooms?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("is one stream without a flaw, encoded by one process, whatever happens in the room", async () => {
    const { statuses, ...report } = await streamDrama({ rooms, browser, folder, totalMs: 60_000 });
    console.log("drama", JSON.stringify(report));
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ starts: 1, discontinuities: 0, lastPlaylistEnded: true, exit: 0 });
    expect(report.encoders).toHaveLength(1);
    expect(report.participants).toBe(3);
    expect(report.segments).toBeGreaterThanOrEqual(26);
    expect(report.looks).toBeGreaterThan(300);
    expect(statuses.at(-1)?.outputs).toMatchObject([{ name: "hls", state: "running", dropped: 0 }]);
  });

  // The stage looks 30 times a second, somewhere between two pictures of the clip: up to 33 ms are its own.
  it("keeps sound and picture together, whether pictures are encoded or copied", { retry: 2 }, async () => {
    const room = rooms.room("clip");
    const publisher = startCli(["publish", room, "--name", "Ann", "--video", "h264"]);
    // Of its own: tried again, it must not find the files of before.
    const folder = await mkdtemp(join(tmpdir(), "roomtap-lips-"));
    try {
      await publisher.seen(/publishing/, 60_000);
      const file = (name: string) => join(folder, `${name}.mp4`);
      const view = ["--participant", "Ann", "--size", "640x360", "--segment", "1s", "--duration", "14s"];
      const streams = {
        encoded: new Streaming(room, [...view, "--file", file("encoded")]),
        copied: new Streaming(room, [...view, "--copy", "--file", file("copied")]),
      };
      const ffmpeg = await locateFfmpeg();
      for (const [name, stream] of Object.entries(streams)) {
        expect((await stream.run.done).code).toBe(0);
        // Another picture begins another file: before pictures can be copied, a few may be encoded.
        const parts = readdirSync(folder).filter((n) => new RegExp(`^${name}(-\\d)?\\.mp4$`).test(n));
        const all = await Promise.all(parts.map((n) => verifyRecording(join(folder, n), { ffmpeg })));
        const [v] = all.sort((a, b) => b.frames - a.frames);
        if (!v) throw new Error(`no file of ${name}`);
        const { numbers, ...figures } = v;
        console.log(name, JSON.stringify({ ...figures, notices: stream.notices }));
        expect(v.decodeErrors).toBe(0);
        expect(v.offset.p95).toBeLessThanOrEqual(40);
        expect(numbers.filter((n) => n !== undefined).length).toBeGreaterThan(200);
      }
      expect(streams.copied.notices).toContain("pictures are copied: the pictures are H.264 already");
    } finally {
      publisher.kill("SIGINT");
      await publisher.done;
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("says before it joins that there is nowhere to stream to, and what is wrong with addresses", async () => {
    const room = rooms.room("nobody");
    const cases: [string[], RegExp][] = [
      [[], /nowhere to stream to/],
      [["--event", "--serve", "0"], /needs a directory/],
      [["--copy", "--serve", "0"], /of one participant/],
      [["--serve", "0", "--host", "0.0.0.0"], /lets anybody on the network in/],
      [["--rtmp", "http://127.0.0.1/x"], /rtmp/i],
      [["--whip", "rtmp://127.0.0.1/x"], /whip/i],
      [["--serve", "0", "--part", "50ms"], /200ms to 500ms/],
      [["--serve", "0", "--renditions", "720q"], /renditions/],
      [["--hls", "/proc/x"], /\/proc\/x/],
    ];
    for (const [args, complaint] of cases) {
      const run = await runCli(["restream", room, ...args]);
      expect([run.code === 2 || run.code === 5, run.stderr]).toEqual([
        true,
        expect.stringMatching(complaint),
      ]);
      expect(run.stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
    }
  });
});
