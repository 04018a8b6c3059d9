import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { describeWith } from "../support/requires.ts";
import { type MediaServer, mediaServerProgram, startMediaServer } from "../support/servers/pion.ts";

const TOKEN = "media-token-8831";
const env = { ROOMTAP_TOKEN: TOKEN };

let folder: string;
let ffmpeg: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-whep-"));
  ffmpeg = await locateFfmpeg();
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Recorded = { readonly files: readonly { readonly path: string; readonly participant: string }[] };

/** What a finished `record --json` made, held against the ground truth. */
async function truthOf(run: CliRun, title: string) {
  const { code, stdout, stderr } = await run.done;
  expect([code, stderr]).toEqual([0, expect.not.stringMatching(/error/)]);
  const { files }: Recorded = JSON.parse(stdout);
  const [file] = files;
  if (!file) throw new Error(`no file: ${stderr}`);
  const { numbers: _, ...v } = await verifyRecording(file.path, { ffmpeg });
  console.log(title, JSON.stringify(v));
  return { v, file, stdout, stderr };
}

describeWith("a media server of another stack", [mediaServerProgram], () => {
  let server: MediaServer;

  beforeAll(async () => {
    server = await startMediaServer({ token: TOKEN });
  });

  afterAll(() => server.close());

  test("hands on by WHEP what it got by WHIP, whoever makes the offer", async () => {
    const publisher = startCli(["publish", server.whip("clip"), "--video", "h264"], { env });
    try {
      await publisher.seen(/h264 [\d.]+ [kM]bit/, 60_000);
      const out = (name: string) => ["--out", join(folder, name), "--duration", "6s", "--json"];
      const format = ["--format", "mkv"];
      const runs = [false, true].map((counter) =>
        startCli(["record", server.whep("clip", counter), ...out(`counter-${counter}`), ...format], { env }),
      );
      for (const [i, run] of runs.entries()) {
        const { v, stdout, stderr } = await truthOf(run, i === 0 ? "whep" : "whep counter-offer");
        expect(v.decodeErrors).toBe(0);
        expect(v.frames).toBeGreaterThan(150);
        expect(v.frames / (v.frames + v.missing)).toBeGreaterThanOrEqual(0.99);
        expect(v.offset.p95).toBeLessThanOrEqual(40);
        expect(stdout + stderr).not.toContain(TOKEN);
      }
      publisher.kill("SIGINT");
      expect((await publisher.done).code).toBe(0);
    } finally {
      publisher.kill("SIGKILL");
    }
  });

  test("that has nothing to play, or wants another token, ends it with 3 and says which", async () => {
    const [nothing, wrong] = await Promise.all([
      runCli(["record", server.whep("nothing"), "--out", folder], { env }),
      runCli(["record", server.whep("clip"), "--out", folder], { env: { ROOMTAP_TOKEN: "wrong-77" } }),
    ]);
    expect([nothing.code, nothing.stderr]).toEqual([3, expect.stringContaining("has nothing to play there")]);
    expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining("wants other credentials")]);
    expect(wrong.stderr).not.toContain("wrong-77");
  });
});

test("callers of whip-listen are streamed on by WHIP, to another one that records them", async () => {
  const out = ["--out", join(folder, "listen"), "--format", "mkv", "--duration", "6s", "--json"];
  const recorder = startCli(["record", "whip-listen://127.0.0.1:0/in", "--listen-token", TOKEN, ...out]);
  const started = [recorder];
  try {
    const at = async (run: CliRun) => (await run.seen(/callers come to (http\S+)/, 60_000))[1] ?? "";
    const target = await at(recorder);
    const view = ["--participant", "Ann", "--size", "640x360", "--segment", "1s"];
    const stream = startCli(
      ["restream", "whip-listen://127.0.0.1:0/live", ...view, "--whip", `${target}/stream`],
      { env: { ROOMTAP_WHIP_TOKEN: TOKEN } },
    );
    started.push(stream);
    const publisher = startCli(["publish", `whip+${await at(stream)}/Ann`, "--video", "h264"]);
    started.push(publisher);
    const { v, file } = await truthOf(recorder, "listen, restream, listen");
    expect(file.participant).toBe("stream");
    expect(v.decodeErrors).toBe(0);
    // Before Ann is there the stream shows a slate.
    expect(v.frames - v.unreadable).toBeGreaterThan(60);
    expect(v.offset.p95).toBeLessThanOrEqual(40);
    stream.kill("SIGINT");
    const { code, stderr, stdout } = await stream.done;
    expect([code, stderr + stdout]).toEqual([0, expect.not.stringMatching(TOKEN)]);
  } finally {
    for (const run of started) run.kill("SIGKILL");
  }
});
