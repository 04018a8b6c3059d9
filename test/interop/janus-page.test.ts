import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeCheck } from "../../src/ffmpeg/decode-check.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { findChromium } from "../support/chromium.ts";
import { runCli, startCli } from "../support/cli.ts";
import { JanusPage } from "../support/janus-page.ts";
import { namespaces } from "../support/netns.ts";
import { Recording } from "../support/recording.ts";
import { describeWith } from "../support/requires.ts";
import { type JanusServer, janusProgram, startJanus } from "../support/servers/janus.ts";

describeWith("a browser in a room of Janus", [janusProgram, namespaces, findChromium()], () => {
  let server: JanusServer;
  let page: JanusPage;
  let directory: string;

  beforeAll(async () => {
    server = await startJanus();
    directory = await mkdtemp(join(tmpdir(), "roomtap-janus-page-"));
    page = await JanusPage.open(server.prefix, server.socket, 1236, "Ann");
    await page.publish();
  });

  afterAll(async () => {
    await page?.close();
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const inside = () => ({ prefix: server.prefix });

  test("is recorded, also after it has taken its streams away and brought them again", async () => {
    const recording = new Recording(server.room(1236), join(directory, "again"), [], inside());
    await recording.sessionTime(3000);
    const first = await page.framesSent();
    await page.unpublish();
    await page.publish();
    await recording.fileOpened(1);
    await recording.sessionTime(8000);
    recording.run.kill("SIGINT");
    const r = await recording.ended();
    expect(r.code, r.stderr).toBe(0);
    expect(new Set(r.result.files.map((f) => f.participant))).toEqual(new Set(["Ann"]));
    const ffmpeg = await locateFfmpeg();
    const checks = await Promise.all(r.result.files.map((f) => decodeCheck(f.path, { ffmpeg })));
    const frames = checks.flatMap((c) => c.tracks.filter((t) => t.kind === "video").map((t) => t.frames));
    const lastMs = Math.max(...r.manifest.files.map((f) => f.startMs + f.durationMs));
    console.log("janus page", JSON.stringify({ first, frames, gaps: r.manifest.gaps, lastMs }));
    expect(checks.map((c) => c.errors)).toEqual(checks.map(() => 0));
    expect(lastMs).toBeGreaterThan(7000);
    expect(frames.reduce((a, b) => a + b, 0)).toBeGreaterThan(130);
  });

  test("leaves no place for a second publisher in a room for one: exit code 3", async () => {
    const r = await runCli(["publish", server.room(1236), "--name", "Bob"], inside());
    expect([r.code, r.stderr]).toEqual([3, expect.stringMatching(/error: .*(full|maximum)/i)]);
  });

  test("who removes us ends the recording, with what was recorded; so does the end of the room", async () => {
    const kicked = new Recording(server.room(1236), join(directory, "k"), ["--name", "Tap"], inside());
    await kicked.sessionTime(2000);
    await page.kick("Tap");
    const k = await kicked.ended();
    expect([k.code, k.stderr]).toEqual([3, expect.stringMatching(/removed from/)]);
    expect(k.result.files).toHaveLength(1);
    const closed = new Recording(server.room(1236), join(directory, "d"), [], inside());
    await closed.sessionTime(2000);
    await page.destroy();
    const d = await closed.ended();
    expect([d.code, d.stderr]).toEqual([0, expect.stringMatching(/was closed/)]);
    expect(d.result.files).toHaveLength(1);
    const late = startCli(["record", server.room(1236), "--out", join(directory, "late")], inside());
    expect((await late.done).code).toBe(3);
  });
});
