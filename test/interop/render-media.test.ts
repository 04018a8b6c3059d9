import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import installer from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { render } from "../../src/bot/render.ts";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { type DecodedPicture, PictureDecoder } from "../../src/ffmpeg/decode-pictures.ts";
import { SoundDecoder } from "../../src/ffmpeg/decode-sound.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { probePicture } from "../../src/ffmpeg/pictures.ts";
import { groundTruthClip } from "../../src/sources/ground-truth/generate.ts";
import { verifyRecording } from "../../src/sources/ground-truth/verify.ts";
import { fileOf } from "../sinks/compositor/call.ts";
import { ivfFrames } from "../support/encoder.ts";
import { Look } from "../support/look.ts";
import { MemoryFile } from "../support/matroska.ts";

const signal = new AbortController().signal;
const box = { width: 160, height: 90 };
let ffmpeg: string;
let folder: string;

beforeAll(async () => {
  ffmpeg = await locateFfmpeg();
  folder = mkdtempSync(join(tmpdir(), "roomtap-media-"));
  // White above, black below, so that up is up.
  for (const [name, size] of [
    ["wide", "320x180"],
    ["tall", "90x160"],
    ["odd", "161x91"],
  ] as const)
    make(`color=white:s=${size}:r=10:d=1,drawbox=y=ih/2:h=ih:color=black:t=fill`, `${name}.ivf`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(source: string, name: string): void {
  const vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "400k", "-g", "99"];
  execFileSync(ffmpeg, ["-nostdin", "-v", "error", "-f", "lavfi", "-i", source, ...vp8, join(folder, name)]);
}

/** Clips one after the other in a Matroska of ours, ten frames a second from `startMs` on. */
function write(name: string, ivfs: readonly string[], rotation: 0 | 90 | 180 | 270, startMs = 0): string {
  const track: MatroskaTrack = {
    ...{ number: 1, kind: "video", codecId: "V_VP8", width: 320, height: 180 },
    ...{ defaultDurationNs: 100_000_000, rotation },
  };
  const writer = new MatroskaWriter("webm", [track]);
  const file = new MemoryFile();
  file.apply([writer.header()]);
  const frames = ivfs.flatMap((ivf) => ivfFrames(new Uint8Array(readFileSync(join(folder, ivf)))));
  for (const [i, frame] of frames.entries())
    file.apply(writer.block(1, startMs + i * 100, 100, ((frame[0] ?? 1) & 1) === 0, frame));
  file.apply(writer.finish());
  const path = join(folder, name);
  writeFileSync(path, file.bytes);
  return path;
}

async function decode(program: string, path: string, fromMs = 0): Promise<DecodedPicture[]> {
  const rotation = (await probePicture(path))?.rotation ?? 0;
  const decoder = new PictureDecoder({
    ffmpeg: program,
    path,
    ...box,
    margin: 0xff0000,
    rotation,
    fromMs,
    signal,
  });
  const out: DecodedPicture[] = [];
  for (;;) {
    await decoder.pictures.ready();
    const picture = decoder.pictures.take();
    if (!picture) break;
    out.push(picture);
  }
  expect(decoder.pictures.failure).toBeUndefined();
  await decoder.close();
  return out;
}

/** What is at a place: `^` white, `.` black, `|` the margin, which is red. */
function sign(p: DecodedPicture | undefined, x: number, y: number): string {
  const luma = box.width * box.height;
  const red = (p?.pixels[luma * 1.25 + (y >> 1) * (box.width / 2) + (x >> 1)] ?? 0) > 200;
  return red ? "|" : (p?.pixels[y * box.width + x] ?? 0) > 128 ? "^" : ".";
}

/** Upper left, upper middle, lower middle, middle of the left edge and of the right one. */
const looks = (p: DecodedPicture | undefined) =>
  [
    [4, 4],
    [80, 6],
    [80, 84],
    [4, 45],
    [155, 45],
  ]
    .map(([x = 0, y = 0]) => sign(p, x, y))
    .join("");

describe.each([
  ["the newest ffmpeg", () => ffmpeg],
  ["the one that comes with Roomtap", () => installer.path],
])("pictures, with %s", (_, which) => {
  test("that change their size stand in the middle in their own shape, at their times", async () => {
    const path = write("sizes.webm", ["wide.ivf", "tall.ivf", "odd.ivf", "wide.ivf"], 0, 1230);
    const pictures = await decode(which(), path);
    expect(pictures.map((p) => p.atMs)).toEqual(Array.from({ length: 40 }, (_, i) => 1230 + i * 100));
    const shapes = [5, 15, 25, 35].map((i) => looks(pictures[i]).slice(0, 3));
    expect(shapes).toEqual(["^^.", "|^.", "^^.", "^^."]);
  });

  test("that have to be turned are", async () => {
    const seen = [];
    for (const rotation of [0, 90, 180, 270] as const) {
      const path = write("turned.webm", ["wide.ivf"], rotation);
      seen.push(looks((await decode(which(), path))[5]).slice(0, 3));
    }
    // Turned by a quarter, they are high, and what was above is to the right or the left.
    expect(seen.map((s) => s[0])).toEqual(["^", "|", ".", "|"]);
    expect([seen[0], seen[2]]).toEqual(["^^.", "..^"]);
  });

  test("from a time on come from the keyframe before it", async () => {
    const path = write("late.webm", ["wide.ivf", "tall.ivf"], 0);
    const pictures = await decode(which(), path, 1550);
    expect(pictures[0]?.atMs).toBe(1000);
    expect(pictures).toHaveLength(10);
  });

  test("sound keeps its holes as silence, from its start and from its middle", async () => {
    const path = join(folder, "holes.mka");
    const tone = "aevalsrc='if(lt(mod(t,1),0.04),0.4*sin(2*PI*800*t),0)':s=48000:d=6";
    const opus = join(folder, "whole.mka");
    execFileSync(ffmpeg, [
      "-nostdin",
      "-v",
      "error",
      "-y",
      "-f",
      "lavfi",
      "-i",
      tone,
      "-c:a",
      "libopus",
      opus,
    ]);
    // Two seconds of packets are not there.
    const drop = ["-bsf:a", "noise=drop=between(n\\,75\\,174)"];
    execFileSync(ffmpeg, ["-nostdin", "-v", "error", "-y", "-i", opus, "-c", "copy", ...drop, path]);
    for (const fromMs of [0, 700]) {
      const decoder = new SoundDecoder({ ffmpeg: which(), path, fromMs, signal });
      const samples = new Int16Array(2 * 48_000 * 7);
      const got = await decoder.read(samples);
      await decoder.close();
      expect(Math.abs(got / 96 + fromMs - 6000)).toBeLessThan(30);
      const onsets: number[] = [];
      let quiet = 4800;
      for (let i = 0; i < got; i += 2) {
        if (Math.abs(samples[i] ?? 0) < 3000) quiet++;
        else {
          if (quiet >= 2400) onsets.push(i / 96 + fromMs);
          quiet = 0;
        }
      }
      const expected = [0, 1000, 4000, 5000].filter((t) => t >= fromMs);
      expect(onsets).toHaveLength(expected.length);
      for (const [i, t] of expected.entries()) expect(Math.abs((onsets[i] ?? 0) - t)).toBeLessThan(8);
    }
  });
});

describe("a session", () => {
  const manifest = (files: readonly object[], durationMs: number) => ({
    ...{
      version: 1,
      room: "r",
      startedAt: new Date(0).toISOString(),
      durationMs,
      restarts: 0,
      complete: true,
    },
    participants: [{ id: "a", name: "Ada", joinedMs: 0 }],
    ...{ tracks: [], files, events: [], gaps: [], digits: [], statistics: [], faults: {} },
  });
  const sessionOf = (name: string, files: readonly object[], durationMs: number) => {
    const directory = join(folder, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest(files, durationMs)));
    return directory;
  };

  test("of the test clip is in time, wherever its file starts and the rendering begins", async () => {
    const clip = await groundTruthClip({
      ...{ codec: "vp8", size: { width: 320, height: 180 }, ffmpeg, cacheDir: folder },
    });
    const file = fileOf("a", { path: "a.mkv", format: "mkv", startMs: 1237, durationMs: 10_000 });
    const session = sessionOf("clip", [file], 11_237);
    copyFileSync(clip, join(session, "a.mkv"));
    for (const [out, part] of [
      ["clip.mp4", {}],
      ["clip.webm", { fromMs: 3333, toMs: 9000 }],
    ] as const) {
      const path = join(folder, out);
      await render({
        ...{ session, layout: "grid", out: path, ffmpeg, labels: false, ...part },
        size: { width: 640, height: 360 },
      });
      const { offset, audioHolesMs } = await verifyRecording(path, { ffmpeg });
      expect(offset.count).toBeGreaterThanOrEqual(5);
      expect(offset.max).toBeLessThan(40);
      expect(Math.abs(offset.p50)).toBeLessThan(20);
      expect(audioHolesMs).toBe(0);
    }
  });

  test("of somebody who comes back, and whose camera turns and grows, is one picture", async () => {
    const files = [
      fileOf("a", {
        path: "1.webm",
        startMs: 0,
        durationMs: 2000,
        tracks: [{ kind: "video", codec: "vp8", frames: 20 }],
      }),
      fileOf("a", {
        path: "2.webm",
        startMs: 2500,
        durationMs: 1000,
        tracks: [{ kind: "video", codec: "vp8", frames: 10 }],
      }),
    ];
    const session = sessionOf("back", files, 3500);
    copyFileSync(write("1.webm", ["wide.ivf", "tall.ivf"], 0), join(session, "1.webm"));
    copyFileSync(write("2.webm", ["wide.ivf"], 180), join(session, "2.webm"));
    const out = join(folder, "back.mp4");
    const size = { width: 256, height: 144 };
    const result = await render({ session, layout: "grid", out, ffmpeg, size, fps: 10, labels: false });
    expect(result.missing).toEqual([]);
    const look = new Look(ffmpeg, out, 10);
    const light = (ms: number, x: number, y: number) => (look.at(ms, x, y)[0] > 128 ? "^" : ".");
    const seen = [500, 1500, 2200, 3000].map(
      (ms) => light(ms, 0.1, 0.2) + light(ms, 0.5, 0.2) + light(ms, 0.5, 0.8),
    );
    // The last picture stands through the half second in between.
    expect(seen).toEqual(["^^.", ".^.", ".^.", "..^"]);
  });

  test("that does not say who spoke is listened to", async () => {
    const session = sessionOf("talk", [], 0);
    for (const [id, from] of [
      ["a", 0],
      ["b", 3],
    ] as const) {
      const voice = `aevalsrc='if(between(t,${from},${from + 2.5}),0.3*sin(2*PI*300*t),0)':s=48000:d=6`;
      const picture = `color=${id === "a" ? "white" : "black"}:s=160x90:r=10:d=6`;
      const inputs = [picture, voice].flatMap((source) => ["-f", "lavfi", "-i", source]);
      const vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"];
      execFileSync(ffmpeg, ["-nostdin", "-v", "error", "-y", ...inputs, ...vp8, join(session, `${id}.webm`)]);
    }
    sessionOf("talk", [fileOf("a", { durationMs: 6000 }), fileOf("b", { durationMs: 6000 })], 6000);
    const out = join(folder, "talk.mp4");
    const size = { width: 256, height: 144 };
    const o = { session, layout: "speaker", out, ffmpeg, size, fps: 10, labels: false } as const;
    expect((await render(o)).notices).toEqual([expect.stringContaining("told from the sound")]);
    const look = new Look(ffmpeg, out, 10);
    const light = [1500, 2800, 3200, 5500].map((ms) => look.at(ms, 0.4, 0.5)[0] > 128);
    expect(light).toEqual([true, true, false, false]);
  });

  test("whose ffmpeg hangs is given up", async () => {
    const wrapper = join(folder, "hangs");
    const script = `case "$*" in *aresample*) exec sleep 600;; esac\nexec ${ffmpeg} "$@"`;
    writeFileSync(wrapper, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const session = join(folder, "talk");
    const out = join(folder, "hung.mp4");
    const o = { session, layout: "grid", out, ffmpeg: wrapper, labels: false, stallMs: 1500 } as const;
    await expect(render(o)).rejects.toMatchObject({ code: "ffmpeg-failed", message: /stood still/ });
    expect(readdirSync(folder).filter((name) => name.startsWith("hung"))).toEqual([]);
  });
});
