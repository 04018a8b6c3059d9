import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ffmpegVersion, isNewer, locateFfmpeg, parseVersion } from "../../src/ffmpeg/locate.ts";

let folder: string;
let before: { path: string | undefined; named: string | undefined };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-locate-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  before = { path: process.env.PATH, named: process.env.FFMPEG_PATH };
  delete process.env.FFMPEG_PATH;
});
afterEach(() => {
  process.env.PATH = before.path;
  if (before.named === undefined) delete process.env.FFMPEG_PATH;
  else process.env.FFMPEG_PATH = before.named;
  rmSync(join(folder, "ffmpeg"), { force: true });
});

/** Puts a program named ffmpeg, or otherwise, into the folder. */
function program(output: string, name = "ffmpeg"): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`);
  chmodSync(path, 0o755);
  return path;
}

const says = (version: string, libavutil: string) =>
  `ffmpeg version ${version} the\nlibavutil      ${libavutil}`;
const pathWithUs = () => `${folder}${delimiter}${process.env.PATH}`;

describe("without a name", () => {
  test("a system ffmpeg that is newer than the bundled one is taken", async () => {
    program(says("99.0", "99. 28.100 / 99. 28.100"));
    process.env.PATH = pathWithUs();
    expect(await locateFfmpeg()).toBe("ffmpeg");
  });

  test("a system ffmpeg that is older is not", async () => {
    program(says("2.8.17", "54. 31.100 / 54. 31.100"));
    process.env.PATH = pathWithUs();
    const found = await locateFfmpeg();
    expect(found).not.toBe("ffmpeg");
    expect(await ffmpegVersion(found)).toBeDefined();
  });

  test("the bundled one serves where the system has none, or something else of that name", async () => {
    process.env.PATH = folder;
    expect((await ffmpegVersion(await locateFfmpeg()))?.libavutil[0]).toBeGreaterThan(50);
    program("avconv version 11");
    expect(await locateFfmpeg()).not.toBe("ffmpeg");
  });
});

describe("with a name", () => {
  test("that one is taken, whatever the system has", async () => {
    const path = program(says("2.0", "52. 1. 1"), "mine");
    expect(await locateFfmpeg(path)).toBe(path);
  });

  test("FFMPEG_PATH is a name too, but one on the command line goes first", async () => {
    const [one, two] = [program(says("2.0", "52. 1. 1"), "one"), program(says("2.0", "52. 1. 1"), "two")];
    process.env.FFMPEG_PATH = one;
    expect(await locateFfmpeg()).toBe(one);
    expect(await locateFfmpeg(two)).toBe(two);
  });

  test("an empty FFMPEG_PATH is none", async () => {
    process.env.FFMPEG_PATH = "";
    expect(await ffmpegVersion(await locateFfmpeg())).toBeDefined();
  });

  test.each([
    ["is missing", () => join(folder, "nothing")],
    ["is a folder", () => folder],
    ["is something else", () => program("hello", "other")],
  ])("an ffmpeg that %s is an error with a hint, not a reason to take another", async (_, path) => {
    await expect(locateFfmpeg(path())).rejects.toMatchObject({
      code: "ffmpeg-missing",
      exitCode: 5,
      hint: expect.stringContaining("--ffmpeg"),
    });
  });

  test("a file that is not executable is an error", async () => {
    const path = program(says("9", "60. 1. 1"), "dull");
    chmodSync(path, 0o644);
    await expect(locateFfmpeg(path)).rejects.toMatchObject({ code: "ffmpeg-missing" });
  });
});

test("versions are compared by number, not by text", () => {
  const v = (libavutil: string) => parseVersion(says("x", libavutil)) ?? { text: "", libavutil: [0, 0, 0] };
  expect(isNewer(v("57. 28.100"), v("56. 24.101"))).toBe(true);
  expect(isNewer(v("56. 24.101"), v("57. 28.100"))).toBe(false);
  expect(isNewer(v("57.100.  1"), v("57. 28.100"))).toBe(true);
  expect(isNewer(v("57. 28.101"), v("57. 28.100"))).toBe(true);
  expect(isNewer(v("57. 28.100"), v("57. 28.100"))).toBe(false);
});
