import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lockSession } from "../../src/bot/session-lock.ts";
import { type VerifyOptions, verify } from "../../src/bot/verify.ts";
import { runCli } from "../../src/cli/program.ts";
import { type MatroskaEvent, MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { runFfmpeg } from "../../src/ffmpeg/run.ts";
import { type Manifest, type ManifestFile, manifestOf } from "../../src/sinks/recorder/manifest.ts";
import { sha256Of } from "../../src/sinks/verify/checksum.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { CapturedOutput } from "../support/captured-output.ts";
import { MemoryFile } from "../support/matroska.ts";

const SECONDS = 3;
type Block = Extract<MatroskaEvent, { t: "block" }>;

let root: string;
let ffmpeg: string;
/** A recording of ours of the clip: VP8 in track 1, Opus in track 2. */
let whole: Uint8Array;
/** The same of something else. */
let plain: Uint8Array;
let sessions = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "roomtap-verify-"));
  ffmpeg = await locateFfmpeg();
  const clip = await groundTruthClip({
    ...{ codec: "vp8", size: { width: 320, height: 180 }, ffmpeg, cacheDir: join(root, "cache") },
  });
  const source = readFileSync(clip);
  whole = written(source, (b) => (b.timeMs < SECONDS * 1000 ? b.timeMs : undefined));
  const other = join(root, "other.webm");
  const inputs = ["testsrc=s=320x180:r=30", "sine=r=48000"].map((source) => ({
    source: `${source}:d=${SECONDS}`,
    options: ["-f", "lavfi"],
  }));
  const options = [
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-g",
    "30",
    "-c:a",
    "libopus",
  ];
  await runFfmpeg({ ffmpeg, command: { inputs, options, output: other } });
  plain = written(readFileSync(other), (b) => b.timeMs);
  for (const [name, options] of Object.entries(others))
    await make(name, [...options, "-t", `${SECONDS}`], join(root, name));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"];
const others = {
  "seekable.mp4": [...h264, "-movflags", "+faststart"],
  "late-index.mp4": h264,
  "fragments.mp4": [...h264, "-movflags", "+frag_keyframe+empty_moov"],
  "sound.ogg": ["-vn", "-c:a", "copy"],
};

/** Converts the whole recording. */
async function make(name: string, options: readonly string[], output: string): Promise<void> {
  const input = join(root, `${name}.input.webm`);
  writeFileSync(input, whole);
  await runFfmpeg({ ffmpeg, command: { inputs: [{ source: input }], options, output } });
}

/** A Matroska written again by our writer: `timeOf` says when a block is, or that it is left out. */
function written(source: Uint8Array, timeOf: (b: Block) => number | undefined, finish = true): Uint8Array {
  const events = new MatroskaReader().push(source);
  const tracks = events.find((e) => e.t === "tracks")?.tracks ?? [];
  const writer = new MatroskaWriter("webm", tracks);
  const file = new MemoryFile();
  file.apply([writer.header()]);
  const blocks = events
    .flatMap((e) => (e.t === "block" ? [{ ...e, to: timeOf(e) }] : []))
    .flatMap((b) => (b.to === undefined ? [] : [{ ...b, to: Math.round(b.to) }]));
  for (const b of blocks) {
    const data = source.subarray(b.offset, b.offset + b.size);
    file.apply(writer.block(b.track, b.to, b.track === 1 ? 33 : 20, b.keyframe, data));
  }
  if (finish) file.apply(writer.finish());
  return file.bytes;
}

/** What stands in a manifest for the whole recording under a name. */
const entry = (path: string, bytes: number): ManifestFile => ({
  ...{ path, participant: "Ann", participantId: "p1", source: "camera", format: "webm" },
  ...{ startMs: 1000, durationMs: SECONDS * 1000, bytes },
  tracks: [
    { kind: "video", codec: "vp8", frames: SECONDS * 30, width: 320, height: 180 },
    { kind: "audio", codec: "opus", frames: SECONDS * 50 - 1 },
  ],
});

type Change = Partial<ManifestFile>;
type Session = { readonly dir: string; readonly file: ManifestFile };

/** A session directory with one file. */
function session(bytes: Uint8Array, change: Change = {}, more: Partial<Manifest> = {}): Session {
  const dir = join(root, `session-${++sessions}`);
  mkdirSync(dir);
  writeFileSync(join(dir, "Ann.webm"), bytes);
  const file = { ...entry("Ann.webm", bytes.length), ...change };
  const manifest = { ...manifestOf([]), files: [file], ...more };
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  return { dir, file };
}

const check = (path: string, o: Partial<VerifyOptions> = {}) => verify({ path, ffmpeg, ...o });
const codesOf = async (s: Session, o: Partial<VerifyOptions> = {}) => [
  ...new Set((await check(s.dir, o)).findings.map((f) => f.code)),
];

describe("a recording in order", () => {
  test("passes every check, the sync of the test clip included", async () => {
    const { dir } = session(whole, { sha256: "" });
    const sha256 = await sha256Of(join(dir, "Ann.webm"));
    const s = session(whole, { sha256 });
    const shares: number[] = [];
    const result = await check(s.dir, { onProgress: (p) => shares.push(p.share) });
    expect(result).toMatchObject({ path: s.dir, ok: true, complete: true, findings: [] });
    const [file] = result.files;
    expect(file).toMatchObject({ path: "Ann.webm", ok: true, expectedDurationMs: 3000, findings: [] });
    expect(Math.abs((file?.durationMs ?? 0) - 3000)).toBeLessThanOrEqual(30);
    expect(file?.checks.filter((c) => c.ok).map((c) => c.name)).toEqual(
      "size checksum container seek tracks duration timestamps gaps decode sync".split(" "),
    );
    expect(shares[0]).toBe(0);
    expect(Math.max(...shares)).toBeGreaterThan(0.5);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    for (const path of ["manifest.json", "Ann.webm"])
      expect(await check(join(s.dir, path)), path).toMatchObject({ ok: true, files: [{ ok: true }] });
  });

  test("may be MP4 or Ogg", async () => {
    const { dir } = session(whole);
    const mp4 = join(dir, "Ann.mp4");
    copyFileSync(join(root, "seekable.mp4"), mp4);
    const tracks = [
      { kind: "video", codec: "h264", frames: SECONDS * 30, width: 320, height: 180 },
      { kind: "audio", codec: "aac", frames: 130 },
    ] as const;
    const file = { ...entry("Ann.mp4", statSync(mp4).size), format: "mp4", tracks } as const;
    writeFileSync(join(dir, "manifest.json"), JSON.stringify({ ...manifestOf([]), files: [file] }));
    expect(await check(dir)).toMatchObject({ ok: true, findings: [] });
    expect(await check(join(root, "sound.ogg"))).toMatchObject({ ok: true, files: [{ ok: true }] });
  });
});

describe("what is wrong is found:", () => {
  const cut = (track: number, from: number, to: number) =>
    written(plain, (b) => (b.track === track && b.timeMs >= from && b.timeMs < to ? undefined : b.timeMs));
  const outage = (fromMs: number, toMs: number, kind: "audio" | "video"): Partial<Manifest> => ({
    events: [{ type: "gap", participantId: "p1", path: "Ann.webm", cause: "loss", kind, atMs: fromMs, toMs }],
  });

  test.each<[string, () => Session, string[]]>([
    [
      "everything that the manifest says otherwise",
      () =>
        session(plain, {
          ...{ bytes: 7, sha256: "0".repeat(64), format: "mkv", durationMs: 3200 },
          tracks: [{ ...video, width: 640 }, audio],
        }),
      ["size-differs", "checksum-differs", "container-differs", "track-differs", "duration-differs"],
    ],
    ["missing pictures", () => session(cut(1, 990, 1990), fewer), ["unexplained-gap"]],
    ["missing sound", () => session(cut(2, 1000, 1200), fewer), ["unexplained-gap"]],
    [
      "not what the manifest explains, nor a length within the tolerance",
      () => session(cut(1, 990, 1990), { ...fewer, durationMs: 3060 }, outage(2000, 3000, "video")),
      [],
    ],
    [
      "missing pictures where only the sound is explained",
      () => session(cut(1, 990, 1990), fewer, outage(2000, 3000, "audio")),
      ["unexplained-gap"],
    ],
    ["sound behind the picture", () => session(shifted(80), { durationMs: 3080 }), ["out-of-sync"]],
    [
      "a recording that was not finished",
      () =>
        session(
          written(plain, (b) => b.timeMs, false),
          {},
        ),
      ["unfinished"],
    ],
    [
      "an interrupted session, and a picture that is gone",
      () => session(plain, { poster: "Ann.jpg" }, { complete: false }),
      ["incomplete", "file-missing"],
    ],
  ])("%s", async (_, make, codes) => {
    expect(await codesOf(make())).toEqual(codes);
  });

  const [video, audio] = entry("", 0).tracks as [ManifestFile["tracks"][0], ManifestFile["tracks"][0]];
  const fewer: Change = {
    tracks: [
      { ...video, frames: 50 },
      { ...audio, frames: 100 },
    ],
  };
  const shifted = (ms: number) => written(whole, (b) => (b.track === 2 ? b.timeMs + ms : b.timeMs));

  test("a torn end", async () => {
    const s = session(plain);
    truncateSync(join(s.dir, "Ann.webm"), Math.round(plain.length * 0.6));
    expect(await codesOf(s)).toEqual(
      expect.arrayContaining(["size-differs", "unfinished", "track-differs", "duration-differs"]),
    );
  });

  test("octets that are something else in the middle of a file", async () => {
    const s = session(damaged(Math.round(plain.length / 2), 20_000));
    const codes = await codesOf(s);
    expect(
      codes.some((c) => c === "decode-errors" || c === "unreadable"),
      codes.join(),
    ).toBe(true);
  });

  test("somebody who is still at work", async () => {
    const s = session(plain);
    writeFileSync(join(s.dir, "manifest.json"), JSON.stringify(manifestOf([])));
    const release = lockSession(s.dir);
    const result = await check(s.dir);
    expect(result).toMatchObject({ ok: false, complete: false, findings: [{ code: "incomplete" }] });
    release();
    expect(await check(s.dir)).toMatchObject({ ok: true, complete: true, files: [] });
  });

  test("an index behind the media, and fragments", async () => {
    expect((await check(join(root, "late-index.mp4"))).findings.map((f) => f.code)).toEqual(["not-seekable"]);
    expect((await check(join(root, "fragments.mp4"))).findings.map((f) => f.code)).toContain("unfinished");
    const part = join(root, "Ann.webm.part");
    writeFileSync(
      part,
      written(plain, (b) => b.timeMs, false),
    );
    expect(await check(part)).toMatchObject({ ok: false, complete: false });
  });
});

function damaged(at: number, length: number): Uint8Array {
  const bytes = plain.slice();
  for (let i = at; i < at + length; i++) bytes[i] = (bytes[i] ?? 0) ^ (1 + ((i * 31) % 255));
  return bytes;
}

describe("a hostile session", () => {
  test.each([
    ["above it", "../secret.webm"],
    ["anywhere", "/etc/passwd"],
    ["behind a link", "link.webm"],
    ["that is a device", "zero.webm"],
  ])("does not get a file opened %s", async (_, path) => {
    writeFileSync(join(root, "secret.webm"), plain);
    const { dir } = session(plain, { path });
    symlinkSync("../secret.webm", join(dir, "link.webm"));
    symlinkSync("/dev/zero", join(dir, "zero.webm"));
    const { ok, files } = await check(dir);
    expect(ok).toBe(false);
    expect(files).toEqual([expect.objectContaining({ path, checks: [expect.anything()] })]);
    expect(files[0]?.findings).toEqual([expect.objectContaining({ code: "unsafe-path", path })]);
  });

  test("does not get a playlist read, and noise is no media", async () => {
    const playlist = `#EXTM3U\n#EXTINF:5,\nfile://${join(root, "secret.webm")}\n#EXT-X-ENDLIST\n`;
    for (const bytes of [Buffer.from(playlist), new Uint8Array(5000).map((_, i) => i * i), new Uint8Array(0)])
      expect(await codesOf(session(bytes))).toContain("unreadable");
  });

  test("is ended when ffmpeg hangs in it", async () => {
    const hanging = join(root, "hanging-ffmpeg");
    const script = `#!/bin/sh\ncase "$*" in *framecrc*) exec sleep 600;; esac\nexec ${ffmpeg} "$@"\n`;
    writeFileSync(hanging, script);
    chmodSync(hanging, 0o755);
    const result = await check(session(plain).dir, { ffmpeg: hanging, stallMs: 300 });
    expect(result.findings).toEqual([
      { code: "unreadable", message: expect.stringContaining("it stood still for 0.3 s"), path: "Ann.webm" },
    ]);
  });

  test("is not verified any further once that is aborted", async () => {
    const stop = new AbortController();
    const running = check(session(plain).dir, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(running).rejects.toThrow();
  });
});

describe("the command", () => {
  async function run(...args: string[]) {
    const out = new CapturedOutput();
    const code = await runCli(["verify", ...args], out);
    // On a slow machine it says how far it is.
    return { code, stdout: out.stdout, stderr: out.stderr.filter((line) => !line.startsWith("●")) };
  }

  test("says of every file what it is, and ends with the verdict", async () => {
    const good = await run(session(whole).dir);
    expect(good).toMatchObject({ code: 0, stderr: [] });
    expect(good.stdout).toEqual([
      expect.stringMatching(/^✓ Ann\.webm {2}0:0[23] {2}vp8 320x180 \+ opus {2}test clip: /),
      "in order: 1 file, complete",
    ]);
    const { dir } = session(plain, { bytes: 7 }, { complete: false });
    const bad = await run(dir);
    expect(bad).toMatchObject({ code: 9, stderr: [`hint: roomtap repair ${dir}`] });
    expect(bad.stdout).toEqual([
      expect.stringMatching(/^✗ Ann\.webm .* not 7$/),
      expect.stringContaining("the session is not complete"),
      "incomplete, 2 findings: 1 file",
    ]);
  });

  test("prints one document, in which names are as they came", async () => {
    const path = "\u001b[31m<img src=x onerror=1>%{eif:1}:x='.webm";
    const { dir } = session(plain, { path });
    writeFileSync(join(dir, path), plain);
    const { code, stdout } = await run(dir, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout.join("\n"))).toMatchObject({ path: dir, ok: true, files: [{ path }] });
    expect((await run(dir)).stdout[0]).toMatch(/^✓ \?\[31m<img src=x onerror=1>%\{eif:1\}:x='\.webm /);
  });

  test("refuses what is no session", async () => {
    const empty = join(root, "empty");
    mkdirSync(empty);
    writeFileSync(join(empty, "notes.txt"), "hello");
    for (const path of [empty, join(empty, "notes.txt"), join(empty, "gone")])
      expect(await run(path)).toMatchObject({
        code: 2,
        stdout: [],
        stderr: [/^error: /, /^hint: /].map((p) => expect.stringMatching(p)),
      });
  });
});
