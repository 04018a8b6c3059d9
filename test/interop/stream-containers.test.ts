import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import installer from "@ffmpeg-installer/ffmpeg";
import { BufferSource, EncodedPacketSink, Input, MP4 } from "mediabunny";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat } from "../../src/core/bytes.ts";
import { FlvReader } from "../../src/core/containers/flv/reader.ts";
import { cmafFragment, cmafHeader, type Mp4Sample } from "../../src/core/containers/mp4/cmaf.ts";
import { TS_ZERO } from "../../src/core/containers/mpegts/writer.ts";
import { transportStream } from "../../src/core/media/transport-stream.ts";
import { ffmpegCapabilities } from "../../src/ffmpeg/capabilities.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";

/* H.264 and AAC as ffmpeg encodes them, on their way out of FLV into fragmented MP4 and MPEG-TS, which ffmpeg decodes. */

const run = promisify(execFile);
const FPS = 30;
const SIZE = { width: 320, height: 180 };
const SOUND = { sampleRate: 48_000, channels: 2 };
const AAC_FRAME = 1024;
/** Pictures of a fragment. */
const STEP = 10;

let folder: string;
let flv: string;
let avcC: Uint8Array = new Uint8Array(0);
let asc: Uint8Array = new Uint8Array(0);
const video: Mp4Sample[] = [];
const audio: Mp4Sample[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-containers-"));
  flv = join(folder, "in.flv");
  const inputs = [`testsrc2=s=${SIZE.width}x${SIZE.height}:r=${FPS}`, `sine=r=${SOUND.sampleRate}:f=440`];
  await run(await locateFfmpeg(), [
    ...["-v", "error", ...inputs.flatMap((i) => ["-f", "lavfi", "-i", i]), "-t", "3"],
    ...["-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "main"],
    ...["-bf", "0", "-g", `${FPS}`, "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2"],
    ...["-flush_packets", "1", "-flvflags", "no_duration_filesize", "-f", "flv", flv],
  ]);
  const reader = new FlvReader();
  let late = 0;
  for (const e of reader.push(await readFile(flv))) {
    const { kind, data } = e;
    if (e.t === "config") {
      if (kind === "video") avcC = data;
      else asc = data;
      continue;
    }
    const [list, step, clock] =
      kind === "video" ? [video, 90_000 / FPS, 90_000] : [audio, AAC_FRAME, SOUND.sampleRate];
    const time = list.length * step;
    late = Math.max(late, Math.abs(e.timeMs - (time * 1000) / clock));
    list.push({ data, time, duration: step, keyframe: e.keyframe });
  }
  // FLV's times are rounded, and the muxer moved all by the encoder's delay.
  expect(late).toBeLessThan(25);
  expect([reader.failed, reader.ignored, reader.pending]).toEqual([false, 0, 0]);
  expect(video.flatMap((s, i) => (s.keyframe ? [i] : []))).toEqual([0, 30, 60]);
  expect([video.length, audio.length]).toEqual([90, 142]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const seconds = (s: Mp4Sample, clock: number) => s.time / clock;
const videoFormat = () => ({ config: avcC, ...SIZE });
const audioFormat = () => ({ config: asc, ...SOUND });

/** The samples of every fragment: so many pictures, and the sound that begins before the next ones. */
function fragments(): { pictures: Mp4Sample[]; sound: Mp4Sample[] }[] {
  return Array.from({ length: video.length / STEP }, (_, i) => {
    const last = i === video.length / STEP - 1;
    const [from, to] = [(i * STEP) / FPS, last ? Number.POSITIVE_INFINITY : ((i + 1) * STEP) / FPS];
    const here = (clock: number) => (s: Mp4Sample) => seconds(s, clock) >= from && seconds(s, clock) < to;
    return { pictures: video.filter(here(90_000)), sound: audio.filter(here(SOUND.sampleRate)) };
  });
}

const later = (s: Mp4Sample, ticks: number) => ({ ...s, time: s.time + ticks });

/** A file in fragments, `hours` after time 0, of both or of one. */
function mp4(hours = 0, which: "both" | "video" | "audio" = "both"): Uint8Array {
  const [v, a] = [which !== "audio", which !== "video"];
  const moved = fragments().flatMap(({ pictures, sound }, i) =>
    cmafFragment(
      i + 1,
      v ? pictures.map((s) => later(s, hours * 3600 * 90_000)) : [],
      a ? sound.map((s) => later(s, hours * 3600 * SOUND.sampleRate)) : [],
      { segmentStart: i % 3 === 0 },
    ),
  );
  return concat([cmafHeader(v ? videoFormat() : undefined, a ? audioFormat() : undefined), ...moved]);
}

/** A transport stream of segments, `seconds` after time 0, of both or of one. */
function ts(seconds = 0, which: "both" | "video" | "audio" = "both"): Uint8Array {
  const [v, a] = [which !== "audio", which !== "video"];
  const writer = transportStream({
    ...(v ? { video: videoFormat() } : {}),
    ...(a ? { audio: audioFormat() } : {}),
  });
  if (!writer) throw new Error("the configurations are not understood");
  return concat(
    fragments().flatMap(({ pictures, sound }, i) => [
      ...(i % 3 === 0 ? [writer.tables()] : []),
      ...pictures.map((s) => writer.video(later(s, seconds * 90_000))),
      writer.audio(sound.map((s) => later(s, seconds * SOUND.sampleRate))),
    ]),
  );
}

/** What ffmpeg decodes of a file: seconds and checksums of every picture, and of the sound, and its complaints. */
async function decoded(ffmpeg: string, path: string) {
  const { fpsMode } = await ffmpegCapabilities(ffmpeg);
  const { stdout, stderr } = await run(ffmpeg, [
    ...["-hide_banner", "-v", "warning", "-copyts", "-i", path, "-map", "0:v?", "-map", "0:a?"],
    ...[
      fpsMode ? "-fps_mode" : "-vsync",
      "passthrough",
      "-enc_time_base:v",
      "1:90000",
      "-f",
      "framecrc",
      "-",
    ],
  ]);
  const unit = new Map<string, number>();
  for (const m of stdout.matchAll(/^#tb (\d): (\d+)\/(\d+)$/gm))
    unit.set(m[1] ?? "", Number(m[2]) / Number(m[3]));
  const kind = new Map<string, string>();
  for (const m of stdout.matchAll(/^#media_type (\d): (\w+)$/gm)) kind.set(m[1] ?? "", m[2] ?? "");
  const rows = stdout
    .split("\n")
    .filter((l) => /^\d/.test(l))
    .map((l) => l.split(",").map((f) => f.trim()));
  const of = (k: string) => {
    const list = rows.filter((r) => kind.get(r[0] ?? "") === k);
    return {
      times: list.map((r) => Number(r[2]) * (unit.get(r[0] ?? "") ?? 0)),
      sums: list.map((r) => r[5]),
    };
  };
  return { video: of("video"), audio: of("audio"), complaints: stderr };
}

function expectTimes(
  times: readonly number[],
  samples: readonly Mp4Sample[],
  clock: number,
  offset: number,
): void {
  expect(times.length).toBe(samples.length);
  const worst = times.reduce((w, t, i) => {
    const s = samples[i];
    return Math.max(w, s ? Math.abs(t - offset - seconds(s, clock)) : 0);
  }, 0);
  // Half a tick of 48 kHz: ffmpeg's own rounding.
  expect(worst).toBeLessThan(1e-5);
}

describe.each([
  ["the newest ffmpeg here", () => locateFfmpeg()],
  ["the ffmpeg that comes along", async () => installer.path],
])("%s", (_, find) => {
  let ffmpeg: string;
  let original: Awaited<ReturnType<typeof decoded>>;
  beforeAll(async () => {
    ffmpeg = await find();
    original = await decoded(ffmpeg, flv);
    expect([original.complaints, original.video.sums.length]).toEqual(["", video.length]);
  });

  /** Every picture and all sound, the same as before, at its time. */
  async function expectSame(name: string, bytes: Uint8Array, offset: number, which = "both") {
    const path = join(folder, name);
    await writeFile(path, bytes);
    const out = await decoded(ffmpeg, path);
    expect(out.complaints).toBe("");
    if (which !== "audio") {
      expect(out.video.sums).toEqual(original.video.sums);
      expectTimes(out.video.times, video, 90_000, offset);
    }
    if (which !== "video") {
      expect(out.audio.sums).toEqual(original.audio.sums);
      expectTimes(out.audio.times, audio, SOUND.sampleRate, offset);
    }
    return out;
  }

  test("decodes fragmented MP4 as it was encoded", () => expectSame("a.mp4", mp4(), 0));

  test("decodes what begins behind 2^32 ticks at its time", () => expectSame("late.mp4", mp4(50), 50 * 3600));

  test("decodes a transport stream as it was encoded", () => expectSame("a.ts", ts(), TS_ZERO / 90_000));

  test("decodes a transport stream over the end of its clock", async () => {
    // Two of its three seconds before the end of the clock's 33 bits. So near to it, ffmpeg counts from that end.
    const end = 2 ** 33 / 90_000;
    const start = Math.floor(end) - 2;
    await expectSame("wrap.ts", ts(start), start + TS_ZERO / 90_000 - end);
  });

  test.each([
    ["fragmented MP4", "video"],
    ["fragmented MP4", "audio"],
    ["a transport stream", "video"],
    ["a transport stream", "audio"],
  ] as const)("decodes %s with only %s", async (container, which) => {
    const out = await (container === "fragmented MP4"
      ? expectSame(`${which}.mp4`, mp4(0, which), 0, which)
      : expectSame(`${which}.ts`, ts(0, which), TS_ZERO / 90_000, which));
    expect([out.video.sums.length > 0, out.audio.sums.length > 0]).toEqual([
      which === "video",
      which === "audio",
    ]);
  });
});

test("mediabunny reads tracks, times, keyframes and octets of fragmented MP4", async () => {
  const input = new Input({ source: new BufferSource(mp4(50)), formats: [MP4] });
  const [v, a] = [await input.getPrimaryVideoTrack(), await input.getPrimaryAudioTrack()];
  if (!v || !a) throw new Error("a track is missing");
  expect([await v.getCodedWidth(), await v.getCodedHeight()]).toEqual([SIZE.width, SIZE.height]);
  for (const [track, samples, clock] of [
    [v, video, 90_000],
    [a, audio, SOUND.sampleRate],
  ] as const) {
    const packets = [];
    for await (const p of new EncodedPacketSink(track).packets()) packets.push(p);
    expectTimes(
      packets.map((p) => p.timestamp),
      samples,
      clock,
      50 * 3600,
    );
    expect(packets.map((p) => p.type === "key")).toEqual(samples.map((s) => s.keyframe));
    expect(packets.every((p, i) => Buffer.compare(p.data, samples[i]?.data ?? asc) === 0)).toBe(true);
  }
});
