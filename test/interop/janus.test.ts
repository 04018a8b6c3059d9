import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { keyframeHeights } from "../support/keyframe-heights.ts";
import { namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type JanusServer, janusProgram, startJanus } from "../support/servers/janus.ts";
import { janusWhepServer, startJanusWhep } from "../support/servers/janus-whep.ts";

const switchLayers = fileURLToPath(new URL("../support/children/switch-layers.mjs", import.meta.url));
describeWith("a Janus server", [janusProgram, namespaces, janusWhepServer], () => {
  let server: JanusServer;
  let directory: string;
  let ffmpeg: string;

  beforeAll(async () => {
    [server, ffmpeg] = await Promise.all([startJanus(), locateFfmpeg()]);
    directory = await mkdtemp(join(tmpdir(), "roomtap-janus-test-"));
  });

  afterAll(async () => {
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const inside = () => ({ prefix: server.prefix });
  const sentLog = (name: string) => join(directory, `${name}.jsonl`);

  async function publish(room: number, name: string, ...args: string[]): Promise<CliRun> {
    const run = startCli(
      ["publish", server.room(room), "--name", name, "--sent-log", sentLog(name), ...args],
      inside(),
    );
    await run.seen(/publishing/, 60_000);
    return run;
  }

  async function stop(run: CliRun): Promise<void> {
    run.kill("SIGINT");
    expect((await run.done).code).toBe(0);
  }

  /** Picture numbers that were sent, in order. */
  async function sent(name: string): Promise<number[]> {
    const lines = (await readFile(sentLog(name), "utf8")).trim().split("\n");
    return lines.map((line): number => JSON.parse(line).number);
  }

  /** The recorded pictures follow those that were sent without a hole. */
  function isRunOf(all: readonly number[], some: readonly (number | undefined)[]): boolean {
    return all.some((_, i) => some.every((n, k) => all[i + k] === n));
  }

  test("brings every frame across, in a room with a pin, while its WebSockets break and are claimed", async () => {
    const ann = await publish(1235, "Ann", "--pin", server.pin);
    try {
      const args = ["--pin", server.pin, "--duration", "10s", "--format", "webm"];
      const recording = new Recording(server.room(1235), join(directory, "pin"), args, inside());
      await recording.sessionTime(4000);
      await server.cutSignalling();
      const r = await recording.ended();
      expect([r.code, r.stderr]).toEqual([
        0,
        expect.stringMatching(/signalling lost[\s\S]*signalling is back/),
      ]);
      expect(r.result.files.map((f) => f.participant)).toEqual(["Ann"]);
      expect(r.manifest.gaps).toEqual([]);
      const { numbers, ...figures } = await verifyRecording(r.result.files[0]?.path ?? "", { ffmpeg });
      console.log("janus truth", JSON.stringify(figures));
      expect(figures.decodeErrors).toBe(0);
      expect(figures.offset.p95).toBeLessThanOrEqual(40);
      expect(numbers.length).toBeGreaterThanOrEqual(0.99 * 10 * 30);
      expect(isRunOf(await sent("Ann"), numbers)).toBe(true);
    } finally {
      await stop(ann);
    }
  });

  test.each([
    ["a wrong pin", () => ["record", server.room(1235), "--pin", "s3cret-no"], 3, /Unauthorized.*--pin/s],
    ["no pin", () => ["record", server.room(1235)], 3, /--pin/],
    ["no such room", () => ["record", server.room(99)], 3, /No such room/],
    ["a codec that the room does not take", () => ["publish", server.room(1237)], 4, /codec.*--video/s],
  ])("says so, with its exit code: %s", async (_, args, code, says) => {
    const r = await runCli([...args(), ...(args()[0] === "record" ? ["--out", directory] : [])], inside());
    expect([r.code, r.stderr]).toEqual([code, expect.stringMatching(says)]);
    expect(r.stderr).not.toContain("s3cret-no");
  });

  test("gives the layer of a simulcast publisher that is asked for, every two seconds, with every frame decodable", async () => {
    const ann = await publish(1234, "Layers", "--simulcast");
    try {
      const layers = ["low", "high", "medium", "low", "medium", "high"];
      const [ip = "", ...more] = server.prefix;
      const args = [...more, process.execPath, switchLayers, server.room(1234), join(directory, "layers")];
      const { stdout } = await promisify(execFile)(ip, [...args, layers.join(), "2000"]);
      const { files } = JSON.parse(stdout) as RecordResult;
      expect(files).toHaveLength(1);
      const path = files[0]?.path ?? "";
      const check = await decodeCheck(path, { ffmpeg });
      const heights = await keyframeHeights(path);
      console.log(
        "janus layers",
        JSON.stringify({ ms: files[0]?.durationMs, frames: check.tracks, heights }),
      );
      expect(check.errors).toBe(0);
      expect(new Set(heights)).toEqual(new Set([720, 360, 180]));
      expect(heights.length).toBeGreaterThanOrEqual(layers.length - 1);
    } finally {
      await stop(ann);
    }
  });

  test("people who come after others have left are recorded on lines that were used before", async () => {
    const out = join(directory, "lines");
    const first = await publish(1234, "First");
    const recording = new Recording(server.room(1234), out, ["--duration", "12s"], inside());
    await recording.sessionTime(2500);
    await stop(first);
    const second = await publish(1234, "Second", "--video", "h264");
    try {
      const r = await recording.ended();
      expect(r.code, r.stderr).toBe(0);
      const files = [...r.result.files].sort((a, b) => a.participant.localeCompare(b.participant));
      expect(files.map((f) => f.participant)).toEqual(["First", "Second"]);
      for (const f of files) {
        const v = await verifyRecording(f.path, { ffmpeg });
        expect([v.decodeErrors, v.numbers.length > 40]).toEqual([0, true]);
        expect(isRunOf(await sent(f.participant), v.numbers), f.participant).toBe(true);
      }
    } finally {
      await stop(second);
    }
  });

  test("a WHEP server in front of it makes the offer (406), and is recorded from", async () => {
    const ann = await publish(1235, "Whep", "--pin", server.pin);
    const whep = await startJanusWhep(server, 1235, server.pin);
    try {
      const recording = new Recording(whep.room, join(directory, "whep"), ["--duration", "6s"], {
        ...inside(),
        env: { ROOMTAP_TOKEN: whep.token },
      });
      const r = await recording.ended();
      expect(r.code, r.stderr).toBe(0);
      const { numbers, ...figures } = await verifyRecording(r.result.files[0]?.path ?? "", { ffmpeg });
      console.log("janus-whep-server", JSON.stringify(figures));
      expect(figures.decodeErrors).toBe(0);
      expect(figures.offset.p95).toBeLessThanOrEqual(40);
      expect(numbers.length).toBeGreaterThanOrEqual(0.99 * 6 * 30);
      expect(isRunOf(await sent("Whep"), numbers)).toBe(true);
    } finally {
      await whep.close();
      await stop(ann);
    }
  });

  test("a server that is killed and started again is joined again, by both sides", async () => {
    const ann = await publish(1234, "Back");
    try {
      const recording = new Recording(
        server.room(1234),
        join(directory, "back"),
        ["--duration", "14s"],
        inside(),
      );
      await recording.sessionTime(3000);
      await server.kill();
      await server.start();
      const r = await recording.ended();
      expect(r.code, r.stderr).toBe(0);
      const seconds = r.result.files.map((f) => f.durationMs / 1000);
      console.log("janus killed", JSON.stringify({ seconds, gaps: r.manifest.gaps }));
      expect(Math.max(...r.manifest.files.map((f) => f.startMs + f.durationMs))).toBeGreaterThan(12_000);
      for (const f of r.result.files)
        expect((await verifyRecording(f.path, { ffmpeg })).decodeErrors).toBe(0);
    } finally {
      await stop(ann);
    }
  });
});
