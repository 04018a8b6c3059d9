import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { findChromium } from "../support/chromium.ts";
import { startCli } from "../support/cli.ts";
import { JanusPage } from "../support/janus-page.ts";
import { keyframeHeights } from "../support/keyframe-heights.ts";
import { namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type JanusServer, janusProgram, startJanus } from "../support/servers/janus.ts";

const switchLayers = fileURLToPath(new URL("../support/children/switch-layers.mjs", import.meta.url));

describeWith("a Janus server, for minutes", [janusProgram, namespaces, findChromium()], () => {
  let server: JanusServer;
  let directory: string;
  let ffmpeg: string;

  beforeAll(async () => {
    [server, ffmpeg] = await Promise.all([startJanus(), locateFfmpeg()]);
    directory = await mkdtemp(join(tmpdir(), "roomtap-janus-long-"));
  });

  afterAll(async () => {
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("every frame of a browser's twenty seconds is in the recording", async () => {
    const page = await JanusPage.open(server.prefix, server.socket, 1234, "Ann");
    try {
      await page.publish();
      const recording = new Recording(server.room(1234), join(directory, "page"), ["--duration", "20s"], {
        prefix: server.prefix,
      });
      await recording.sessionTime(1000);
      const [from, fromMs] = [await page.framesSent(), performance.now()];
      await recording.sessionTime(19_000);
      const rate = (1000 * ((await page.framesSent()) - from)) / (performance.now() - fromMs);
      const r = await recording.ended();
      expect([r.code, r.result.files.length], r.stderr).toEqual([0, 1]);
      const check = await decodeCheck(r.result.files[0]?.path ?? "", { ffmpeg });
      const video = check.tracks.find((t) => t.kind === "video");
      const share = (video?.frames ?? 0) / ((rate * (r.result.files[0]?.durationMs ?? 0)) / 1000);
      console.log("janus, Chromium 20 s", JSON.stringify({ ...video, rate, share, gaps: r.manifest.gaps }));
      expect(check.errors).toBe(0);
      expect(r.manifest.gaps).toEqual([]);
      expect(share).toBeGreaterThanOrEqual(0.98);
    } finally {
      await page.close();
    }
  });

  test("other layers every two seconds for a minute tear no frame", async () => {
    const run = startCli(["publish", server.room(1235), "--pin", server.pin, "--simulcast"], {
      prefix: server.prefix,
    });
    try {
      await run.seen(/publishing/, 60_000);
      const layers = Array.from({ length: 30 }, (_, i) => ["low", "high", "medium"][i % 3]).join();
      const [ip = "", ...more] = server.prefix;
      const room = `${server.room(1235)}?pin=${server.pin}`;
      const args = [...more, process.execPath, switchLayers, room, join(directory, "layers"), layers, "2000"];
      const { stdout } = await promisify(execFile)(ip, args);
      const { files } = JSON.parse(stdout) as RecordResult;
      const check = await decodeCheck(files[0]?.path ?? "", { ffmpeg });
      const heights = await keyframeHeights(files[0]?.path ?? "");
      console.log(
        "janus, a minute of layers",
        JSON.stringify({ ms: files[0]?.durationMs, tracks: check.tracks, heights }),
      );
      expect([files.length, check.errors]).toEqual([1, 0]);
      expect(new Set(heights)).toEqual(new Set([180, 360, 720]));
      expect(heights.length).toBeGreaterThanOrEqual(28);
    } finally {
      run.kill("SIGINT");
      expect((await run.done).code).toBe(0);
    }
  });
});
