import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Frame } from "../../src/core/frame.ts";
import { micros } from "../../src/core/time.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { createRoomServer, type RoomServer } from "../../src/server/room-server.ts";
import { Journal, readJournal } from "../../src/sinks/recorder/journal.ts";
import type { Manifest } from "../../src/sinks/recorder/manifest.ts";
import { Recorder } from "../../src/sinks/recorder/recorder.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { SampleStore } from "../../src/sources/sample-store.ts";
import { runCli, startCli } from "../support/cli.ts";

/* Sound as Ogg, made without ffmpeg and decoded by it. */

const run = promisify(execFile);
let folder: string;
let ffmpeg: string;
let clip: SampleStore;
let server: RoomServer;
beforeAll(async () => {
  server = await createRoomServer();
  folder = await mkdtemp(join(tmpdir(), "roomtap-ogg-"));
  ffmpeg = await locateFfmpeg();
  const size = { width: 320, height: 180 };
  clip = SampleStore.open(await groundTruthClip({ codec: "vp8", size, ffmpeg, cacheDir: folder }));
}, 60_000);
afterAll(async () => {
  clip?.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Records ten seconds of the clip's beeps as Ogg; what is between these times never comes. */
async function recorded(o: { hole?: readonly [number, number]; ffmpeg?: string } = {}) {
  const directory = await mkdtemp(join(folder, "session-"));
  const journal = new Journal(directory);
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const recorder = new Recorder({
    directory,
    format: "ogg",
    ffmpeg: o.ffmpeg ?? "",
    journal,
    attempt: 0,
    onFailure,
  });
  const participant = { id: "p", name: "<img src=x>", recorder: false };
  recorder.addTrack({ id: "mic", kind: "audio", source: "microphone", participant });
  for (const [i, sample] of (clip.index.audio ?? []).entries()) {
    if (sample.time >= 10e6) break;
    const t = sample.time / 1000;
    if (o.hole && t >= o.hole[0] && t < o.hole[1]) continue;
    const frame: Frame = {
      codec: "opus",
      data: clip.read("audio", i),
      keyframe: true,
      time: micros(sample.time),
      rtpTime: 0,
      lostBefore: 0,
      duration: 20_000,
    };
    recorder.frame("mic", frame);
    recorder.tick(frame.time);
  }
  await recorder.finish();
  await recorder.convert({ skip: new AbortController().signal, onProgress: () => undefined });
  journal.close();
  expect(failures).toEqual([]);
  const [file] = readJournal(directory).filter((e) => e.t === "file-close");
  expect(readdirSync(directory).filter((n) => n !== "journal.jsonl")).toEqual([file?.path]);
  return { file, path: join(directory, file?.path ?? "") };
}

/** Samples at 48 kHz, and where the beeps begin, seconds. */
async function heard(
  path: string,
  filter: readonly string[] = [],
): Promise<{ samples: number; beeps: number[] }> {
  const { stdout, stderr } = await run(
    ffmpeg,
    ["-v", "warning", "-i", path, ...filter, "-ac", "1", "-ar", "48000", "-f", "f32le", "-"],
    { encoding: "buffer", maxBuffer: 1 << 28 },
  );
  expect(stderr.toString()).toBe("");
  const sound = new Float32Array(stdout.buffer, stdout.byteOffset, stdout.length >> 2);
  const beeps: number[] = [];
  let quiet = 48_000;
  for (const [i, v] of sound.entries()) {
    if (Math.abs(v) < 0.05) quiet++;
    else {
      if (quiet > 20_000) beeps.push(i / 48_000);
      quiet = 0;
    }
  }
  return { samples: sound.length, beeps };
}

test("a recording of sound is an Ogg file that decodes to the sample, with a beep every second", async () => {
  const { file, path } = await recorded();
  expect(file).toMatchObject({
    format: "ogg",
    durationMs: 10_000,
    tracks: [{ kind: "audio", codec: "opus", frames: 500 }],
  });
  const { samples, beeps } = await heard(path);
  expect(samples).toBe(480_000);
  expect(beeps.length).toBeGreaterThanOrEqual(9);
  const first = beeps[0] ?? 0;
  for (const [i, at] of beeps.entries()) expect(Math.abs(at - first - i)).toBeLessThan(0.02);
});

test("a hole is silence, and what comes after it stays where it was", async () => {
  const whole = (await heard((await recorded()).path)).beeps;
  const { path } = await recorded({ hole: [3500, 6500] });
  const { samples, beeps } = await heard(path);
  expect(samples).toBe(480_000);
  const left = whole.filter((t) => t < 3.4 || t > 6.6);
  expect(beeps).toHaveLength(left.length);
  for (const [i, at] of beeps.entries()) expect(Math.abs(at - (left[i] ?? 0))).toBeLessThan(0.02);
});

test("players can go to any place, and are told who speaks", async () => {
  const { path } = await recorded();
  const { stderr } = await run(ffmpeg, ["-hide_banner", "-ss", "7.5", "-i", path, "-f", "null", "-"]);
  expect(stderr).toContain("<img src=x>");
  expect(stderr).toMatch(/time=00:00:02\.5\d/);
  expect(existsSync(path)).toBe(true);
});

/** Runs a command that makes a session of one file: where that is, and when the file begins, Unix milliseconds. */
async function sessionOf(
  ...args: readonly string[]
): Promise<{ path: string; startsAt: number; manifest: Manifest }> {
  const { code, stdout, stderr } = await runCli([...args, "--json"]);
  expect(`${code} ${stderr}`).toMatch(/^0 /);
  const { session, files } = JSON.parse(stdout) as { session: string; files: { path: string }[] };
  expect(files).toHaveLength(1);
  const manifest = JSON.parse(readFileSync(join(session, "manifest.json"), "utf8")) as Manifest;
  const zero = readJournal(session).find((e) => e.t === "first-media")?.at ?? Number.NaN;
  return {
    path: files[0]?.path ?? "",
    startsAt: zero + (manifest.files[0]?.startMs ?? Number.NaN),
    manifest,
  };
}

test("a call is recorded as sound alone, live and from its dump, and each beep is when it was", async () => {
  const room = `${server.url.replace("http", "ws")}ogg`;
  const publisher = startCli(["publish", room, "--video", "vp8", "--name", "Truth"]);
  const dump = join(folder, "call.rtpdump");
  try {
    await publisher.seen(/publishing/, 60_000);
    const live = [
      "--format",
      "ogg",
      "--duration",
      "3s",
      "--no-pictures",
      "--dump-rtp",
      dump,
      "--out",
      join(folder, "live"),
    ];
    const recorded = await sessionOf("record", room, ...live);
    expect(recorded.path).toMatch(/Truth\.ogg$/);
    expect(recorded.manifest.files[0]).toMatchObject({
      format: "ogg",
      tracks: [{ kind: "audio", codec: "opus" }],
    });
    const verified = await runCli(["verify", join(recorded.path, "..")]);
    expect(`${verified.code} ${verified.stderr}`).toMatch(/^0 /);
    const replay = (format: string) =>
      sessionOf("replay", dump, "--format", format, "--out", join(folder, `as-${format}`));
    const again = await replay("ogg");
    expect(readFileSync(again.path).equals(readFileSync(recorded.path))).toBe(true);
    // The same packets with their picture, whose sound and flashes other tests hold together.
    const webm = await replay("webm");
    expect(webm.manifest.files[0]?.tracks).toHaveLength(2);
    const sound = await heard(recorded.path);
    expect(Math.abs(sound.samples / 48 - 3000)).toBeLessThanOrEqual(20);
    // Matroska has times for its sound, which may begin a little later than its picture.
    const timed = ["-af", "aresample=async=1000:first_pts=0:flags=res"];
    const truth = (await heard(webm.path, timed)).beeps.map((t) => webm.startsAt + 1000 * t);
    // Beeps that the beginning or the end cuts are none.
    const beeps = sound.beeps.filter((t) => t > 0.2 && t < 2.9);
    expect(beeps.length).toBeGreaterThanOrEqual(2);
    for (const beep of beeps) {
      const at = recorded.startsAt + 1000 * beep;
      expect(Math.min(...truth.map((t) => Math.abs(t - at)))).toBeLessThan(5);
    }
  } finally {
    publisher.kill("SIGKILL");
    await publisher.done;
  }
}, 60_000);
