import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RecordResult } from "../../src/bot/record.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { type CliRun, runCli, startCli } from "../support/cli.ts";
import { describeWith } from "../support/requires.ts";
import { type GaleneServer, galeneProgram, startGalene } from "../support/servers/galene.ts";

describeWith("a group of a Galene server", [galeneProgram], () => {
  let server: GaleneServer;
  let folder: string;
  let publisher: CliRun;
  const record = (...more: string[]) =>
    startCli(["record", server.group, "--pin", server.password, "--out", folder, "--json", ...more]);

  beforeAll(async () => {
    [server, folder] = await Promise.all([startGalene(), mkdtemp(join(tmpdir(), "roomtap-galene-"))]);
    publisher = startCli(["publish", server.group, "--pin", server.password, "--name", "Truth"]);
    await publisher.seen(/opus [1-9]\d* kbit/, 60_000);
  });

  afterAll(async () => {
    publisher?.kill("SIGKILL");
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("is recorded with every frame that is published, and sound and picture agree", async () => {
    const { code, stdout, stderr } = await record("--duration", "20s").done;
    expect(code, stderr).toBe(0);
    const [file] = (JSON.parse(stdout) as RecordResult).files;
    expect(file?.participant).toBe("Truth");
    const { numbers, ...figures } = await verifyRecording(file?.path ?? "", { ffmpeg: await locateFfmpeg() });
    console.log("galene", JSON.stringify(figures));
    expect(figures.decodeErrors).toBe(0);
    expect(figures.missing).toBeLessThanOrEqual(6);
    expect(numbers.length).toBeGreaterThanOrEqual(0.99 * 20 * 30);
    expect(figures.offset.p95).toBeLessThanOrEqual(40);
  });

  it("goes on in the same session when the server is killed and comes back", async () => {
    const recorder = record("--duration", "20s");
    await recorder.seen(/vp8 1280x720/, 60_000);
    await server.kill();
    await recorder.seen(/signalling lost/);
    await server.start();
    const { code, stdout, stderr } = await recorder.done;
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout) as RecordResult;
    expect(new Set(result.files.map((f) => f.participant))).toEqual(new Set(["Truth"]));
    expect(result.files.reduce((n, f) => n + f.durationMs, 0)).toBeGreaterThan(10_000);
  });

  it("does not let in who has no password, or a wrong one, or asks for another group", async () => {
    const other = server.group.replace("talk", "nothing");
    const runs = [
      ["record", server.group, "--out", folder],
      ["record", server.group, "--out", folder, "--pin", "wrong-s3cret"],
      ["record", other, "--out", folder, "--pin", server.password],
    ];
    const [none, wrong, nowhere] = await Promise.all(runs.map((args) => runCli(args)));
    for (const r of [none, wrong, nowhere]) expect(r?.code, r?.stderr).toBe(3);
    expect(wrong?.stderr).toMatch(
      /^error: .*does not let us in: not authorised\nhint: check name and password/m,
    );
    expect(`${wrong?.stdout}${wrong?.stderr}`).not.toContain("wrong-s3cret");
    expect(nowhere?.stderr).toMatch(/no group of that server/);
  });
});
