import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, startCli } from "../support/cli.ts";
import { describeWith } from "../support/requires.ts";
import { aiortcProgram, serveAiortc, startAiortc } from "../support/servers/aiortc.ts";

/** Three seconds of sound. */
const HEARD = /heard (?:1[5-9]\d|[2-9]\d\d|\d{4}) packets/;

describeWith("JSON offers, with aiortc at the other end", [aiortcProgram], () => {
  let folder: string;
  let ffmpeg: string;
  let clip: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "roomtap-aiortc-"));
    ffmpeg = await locateFfmpeg();
    // aiortc decodes and encodes in Python: small pictures, so that it keeps up.
    clip = await groundTruthClip({
      ffmpeg,
      cacheDir: folder,
      codec: "vp8",
      size: { width: 320, height: 180 },
    });
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const recordArgs = (name: string) => {
    const out = ["--out", join(folder, name), "--format", "mkv"];
    return [...out, "--duration", "4s", "--json"];
  };

  /** Holds what `record` wrote against the ground truth: pictures may be late or missing where Python is, sound not. */
  async function truthOf(run: CliRun) {
    const { code, stdout, stderr } = await run.done;
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/error/)]);
    const [file] = (JSON.parse(stdout) as { readonly files: readonly { readonly path: string }[] }).files;
    if (!file) throw new Error(`no file: ${stderr}`);
    const { numbers: _, ...v } = await verifyRecording(file.path, { ffmpeg });
    console.log(JSON.stringify(v));
    expect([v.decodeErrors, v.duplicated, v.outOfOrder]).toEqual([0, 0, 0]);
    expect(v.frames - v.unreadable).toBeGreaterThan(50);
    return v;
  }

  /** Reads what aiortc wrote. */
  async function picturesOf(path: string) {
    const { numbers: _, ...v } = await verifyRecording(path, { ffmpeg });
    console.log(JSON.stringify(v));
    expect(v.frames - v.unreadable).toBeGreaterThan(50);
    expect(v.audioDurationMs).toBeGreaterThan(1500);
  }

  test("it answers: what it plays is recorded, what is published it gets", async () => {
    const written = join(folder, "answered.mkv");
    const servers = [serveAiortc({ play: clip }), serveAiortc({ record: written })];
    const [playing, recording] = await Promise.all(servers.map(async (s) => (await s.said(/http\S+/))[0]));
    const publisher = startCli(["publish", `offer+${recording}`, "--media", clip]);
    try {
      await truthOf(startCli(["record", `offer+${playing}`, ...recordArgs("answer")]));
      await servers[1]?.said(HEARD);
      publisher.kill("SIGINT");
      expect((await publisher.done).code).toBe(0);
    } finally {
      publisher.kill("SIGKILL");
      await Promise.all(servers.map((s) => s.close()));
    }
    await picturesOf(written);
  });

  test("it calls: what it sends is recorded, what is published it gets", async () => {
    const written = join(folder, "called.mkv");
    const at = async (run: CliRun) => (await run.seen(/callers come to (http\S+)/, 60_000))[1] ?? "";
    const recorder = startCli(["record", "offer-listen://127.0.0.1:0/offer", ...recordArgs("call")]);
    const publisher = startCli(["publish", "offer-listen://127.0.0.1:0/offer", "--media", clip]);
    const sender = startAiortc("send", `${await at(recorder)}/Ann`, "--play", clip);
    const receiver = startAiortc("receive", await at(publisher), "--record", written);
    try {
      await truthOf(recorder);
      await receiver.said(HEARD);
    } finally {
      await Promise.all([sender.close(), receiver.close()]);
      for (const run of [recorder, publisher]) run.kill("SIGINT");
    }
    expect((await publisher.done).code).toBe(0);
    await picturesOf(written);
  });
});
