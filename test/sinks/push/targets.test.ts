import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { pushCommand, requirePush } from "../../../src/ffmpeg/push.ts";
import {
  checkPushTargets,
  createPushes,
  partSrt,
  readTargetFromFile,
  takeTargetFromEnv,
} from "../../../src/sinks/push/targets.ts";
import { feedPlan } from "../../support/program-feed.ts";

const folder = mkdtempSync(join(tmpdir(), "roomtap-targets-"));
afterAll(() => rmSync(folder, { recursive: true }));

const capabilities = {
  version: "4.1",
  encoders: new Set<string>(),
  filters: new Set<string>(),
  muxers: new Set(["mpegts", "rtsp", "flv"]),
  protocols: new Set(["tcp", "srt"]),
  fpsMode: false,
  presetFiles: true,
};

describe("checking", () => {
  test("an ffmpeg that lacks SRT is said before anything starts, with a way out", () => {
    expect(() => requirePush("srt", capabilities)).not.toThrow();
    const old = { ...capabilities, protocols: new Set(["tcp"]) };
    expect(() => requirePush("rtsp", old)).not.toThrow();
    expect(() => requirePush("srt", old)).toThrowError(
      expect.objectContaining({
        code: "ffmpeg-missing",
        message: expect.stringMatching(/--srt needs an ffmpeg with the protocol srt/),
        hint: expect.stringMatching(/apt-get install ffmpeg.*--ffmpeg/),
      }),
    );
    expect(() => requirePush("rtsp", { ...capabilities, muxers: new Set<string>() })).toThrowError(
      /format rtsp/,
    );
  });

  test("RTMP and files need no ffmpeg at all", async () => {
    const targets = [
      { kind: "rtmp", url: "rtmps://host/app/key" },
      { kind: "file", url: join(folder, "a.MP4") },
    ] as const;
    await expect(checkPushTargets(targets, "/nowhere/ffmpeg")).resolves.toBeUndefined();
  });

  test.each([
    ["rtmp", "rtmp://host", "usage"],
    ["rtmp", "rtmp://user:pAssw0rd@host/app/key", "usage"],
    ["srt", "srt://host", "usage"],
    ["file", "/tmp/a.avi", "usage"],
    ["file", "/tmp/nowhere-at-all/a.mkv", "output-unwritable"],
    ["file", join(folder, "folder.mp4"), "usage"],
  ] as const)("--%s %s cannot be used", async (kind, url, code) => {
    mkdirSync(join(folder, "folder.mp4"), { recursive: true });
    const refusal = checkPushTargets([{ kind, url }], "/nowhere/ffmpeg");
    await expect(refusal).rejects.toMatchObject({ code });
    await expect(refusal).rejects.not.toThrow(/pAssw0rd/);
  });
});

test("sinks are called by their kind, and counted", async () => {
  const sinks = createPushes(
    [
      { kind: "rtmp", url: "rtmp://host/app/key" },
      { kind: "file", url: join(folder, "a.mkv") },
      { kind: "rtmp", url: "rtmp://host/app/key2" },
    ],
    feedPlan,
    { ffmpeg: "ffmpeg" },
  );
  expect(sinks.map((s) => s.name)).toEqual(["rtmp", "file", "rtmp-2"]);
  expect(sinks.map((s) => s.status().state)).toEqual(["waiting", "waiting", "waiting"]);
  await Promise.all(sinks.map((s) => s.close()));
});

test("what is secret in an SRT address goes into a file of options, and the rest stays", () => {
  const parts = partSrt("srt://host:9000?mode=caller&passphrase=a%20b%3Dc&latency=200000&streamid=#!::r=x");
  expect(parts).toEqual({
    open: "srt://host:9000?mode=caller&latency=200000",
    secretOptions: "passphrase=a b=c\nstreamid=#!::r=x\n",
  });
  const args = pushCommand("srt", parts.open, "/dev/fd/4").options.join(" ");
  expect(args).toContain("-fpre /dev/fd/4");
  expect(partSrt("srt://host:9000")).toEqual({ open: "srt://host:9000", secretOptions: "" });
});

describe("addresses from elsewhere", () => {
  test("the environment has one, or the error says which variable is missing", () => {
    const env = { A: " rtmp://host/app/key\n", C: "c" };
    expect(takeTargetFromEnv("A", env)).toBe("rtmp://host/app/key");
    // Children inherit the environment, and show it to whoever may look at them.
    expect(env).toEqual({ C: "c" });
    expect(() => takeTargetFromEnv("B", { B: " " })).toThrowError(expect.objectContaining({ code: "usage" }));
  });

  test("a file has one in a line, and a warning when everybody can read it", async () => {
    const file = join(folder, "address");
    writeFileSync(file, "# of the server\n\nrtmp://host/app/key\n", { mode: 0o600 });
    const warnings: string[] = [];
    expect(await readTargetFromFile(file, (w) => warnings.push(w))).toBe("rtmp://host/app/key");
    expect(warnings).toEqual([]);
    chmodSync(file, 0o644);
    await readTargetFromFile(file, (w) => warnings.push(w));
    expect(warnings).toEqual([expect.stringContaining("chmod 600")]);
  });

  test.each([
    ["nothing", ""],
    ["two addresses", "rtmp://host/app/key\nrtmp://host/app/key2\n"],
    ["far too much", "x".repeat(10_000)],
  ])("a file with %s is refused", async (_, text) => {
    const file = join(folder, "bad");
    writeFileSync(file, text);
    await expect(readTargetFromFile(file)).rejects.toMatchObject({ code: "usage" });
  });

  test("a file that is not there is said", async () => {
    await expect(readTargetFromFile(join(folder, "gone"))).rejects.toThrow(/cannot be read.*ENOENT/);
  });
});
