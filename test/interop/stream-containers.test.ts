import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import installer from "@ffmpeg-installer/ffmpeg";
import { BufferSource, EncodedPacketSink, Input, MP4, MPEG_TS } from "mediabunny";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat } from "../../src/core/bytes.ts";
import { aacCodecString, avcCodecString } from "../../src/core/codecs/codec-strings.ts";
import { cmafHeader } from "../../src/core/containers/mp4/cmaf.ts";
import { TS_ZERO } from "../../src/core/containers/mpegts/writer.ts";
import { transportStream } from "../../src/core/media/transport-stream.ts";
import { ffmpegCapabilities } from "../../src/ffmpeg/capabilities.ts";
import { FrameCrcReader } from "../../src/ffmpeg/framecrc.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import {
  clockOf,
  cmafFragmentsOf,
  type EncodedStream,
  encodeStream,
  fragmentsOf,
  STREAM,
} from "../support/encoded-stream.ts";

/* H.264 and AAC as ffmpeg encodes them, on their way out of FLV into fragmented MP4 and MPEG-TS, which ffmpeg decodes. */

const run = promisify(execFile);
const SIZE = { width: 320, height: 180 };

let folder: string;
let flv: string;
let stream: EncodedStream;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-containers-"));
  flv = join(folder, "in.flv");
  stream = await encodeStream(flv, SIZE.width, SIZE.height);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a file is made of: configurations of both, or of one. */
function formatsOf(which: "both" | "video" | "audio") {
  return {
    video: which === "audio" ? undefined : { config: stream.avcC, ...SIZE },
    audio: which === "video" ? undefined : { config: stream.asc, ...STREAM },
  };
}

/** A file in fragments, so many seconds after time 0. */
function mp4(seconds = 0, which: "both" | "video" | "audio" = "both"): Uint8Array {
  const { video, audio } = formatsOf(which);
  return concat([cmafHeader(video, audio), ...cmafFragmentsOf(stream, seconds, which).flat()]);
}

/** A transport stream of segments, so many seconds after time 0. */
function ts(seconds = 0, which: "both" | "video" | "audio" = "both"): Uint8Array {
  const { video, audio } = formatsOf(which);
  const writer = transportStream({ ...(video ? { video } : {}), ...(audio ? { audio } : {}) });
  if (!writer) throw new Error("the configurations are not understood");
  return concat(
    fragmentsOf(stream, seconds).flatMap((f, i) => [
      ...(i % 3 === 0 ? [writer.tables()] : []),
      ...f.video.map((s) => writer.video(s)),
      writer.audio(f.audio),
    ]),
  );
}

test("FLV is read as it was encoded", () => {
  const { reader, video, audio, offMs } = stream;
  expect([reader.failed, reader.ignored, reader.pending]).toEqual([false, 0, 0]);
  expect(video.flatMap((s, i) => (s.keyframe ? [i] : []))).toEqual([0, 30, 60]);
  expect([video.length, audio.length]).toEqual([90, 142]);
  // A frame of sound, and half a millisecond.
  expect(offMs).toBeLessThan(22);
});

/** What ffmpeg decodes of a file: seconds and checksums of every picture, and of the sound, and its complaints. */
async function decoded(ffmpeg: string, path: string) {
  const { fpsMode } = await ffmpegCapabilities(ffmpeg);
  const { stdout, stderr } = await run(ffmpeg, [
    ...["-hide_banner", "-v", "warning", "-copyts", "-i", path, "-map", "0:v?", "-map", "0:a?"],
    ...[fpsMode ? "-fps_mode" : "-vsync", "passthrough", "-enc_time_base:v", "1:90000"],
    ...["-f", "framecrc", "-"],
  ]);
  const reader = new FrameCrcReader();
  const rows = stdout.split("\n").flatMap((line) => {
    const row = reader.push(line);
    return row ? [{ kind: row.stream.kind, time: row.ptsMs / 1000, sum: line.split(",")[5] }] : [];
  });
  const of = (kind: "video" | "audio") => {
    const list = rows.filter((r) => r.kind === kind);
    return { times: list.map((r) => r.time), sums: list.map((r) => r.sum) };
  };
  return { video: of("video"), audio: of("audio"), complaints: stderr };
}

function expectTimes(times: readonly number[], kind: "video" | "audio", offset: number): void {
  const samples = stream[kind];
  expect(times.length).toBe(samples.length);
  const worst = times.reduce((w, t, i) => {
    return Math.max(w, Math.abs(t - offset - (samples[i]?.time ?? 0) / clockOf(kind)));
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
    expect([original.complaints, original.video.sums.length]).toEqual(["", stream.video.length]);
  });

  /** Every picture and all sound, the same as before, at its time. */
  async function expectSame(name: string, bytes: Uint8Array, offset: number, which = "both") {
    const path = join(folder, name);
    await writeFile(path, bytes);
    const out = await decoded(ffmpeg, path);
    expect(out.complaints).toBe("");
    if (which !== "audio") {
      expect(out.video.sums).toEqual(original.video.sums);
      expectTimes(out.video.times, "video", offset);
    }
    if (which !== "video") {
      expect(out.audio.sums).toEqual(original.audio.sums);
      expectTimes(out.audio.times, "audio", offset);
    }
    return out;
  }

  test("decodes fragmented MP4 as it was encoded", () => expectSame("a.mp4", mp4(), 0));

  test("decodes what begins behind 2^32 ticks at its time", () =>
    expectSame("late.mp4", mp4(50 * 3600), 50 * 3600));

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

test.each([
  ["fragmented MP4", () => mp4(50 * 3600), 50 * 3600],
  ["a transport stream", () => ts(), TS_ZERO / 90_000],
] as const)("mediabunny reads tracks, times and keyframes of %s", async (container, make, offset) => {
  const input = new Input({ source: new BufferSource(make()), formats: [MP4, MPEG_TS] });
  const [v, a] = [await input.getPrimaryVideoTrack(), await input.getPrimaryAudioTrack()];
  if (!v || !a) throw new Error("a track is missing");
  expect([await v.getCodedWidth(), await v.getCodedHeight()]).toEqual([SIZE.width, SIZE.height]);
  expect([await a.getSampleRate(), await a.getNumberOfChannels()]).toEqual([
    STREAM.sampleRate,
    STREAM.channels,
  ]);
  expect(
    [await v.getCodecParameterString(), await a.getCodecParameterString()].map((c) => c?.toLowerCase()),
  ).toEqual([avcCodecString(stream.avcC)?.toLowerCase(), aacCodecString(stream.asc)]);
  for (const [track, kind] of [
    [v, "video"],
    [a, "audio"],
  ] as const) {
    const packets = [];
    for await (const p of new EncodedPacketSink(track).packets()) packets.push(p);
    expectTimes(
      packets.map((p) => p.timestamp),
      kind,
      offset,
    );
    expect(packets.map((p) => p.type === "key")).toEqual(stream[kind].map((s) => s.keyframe));
    if (container === "fragmented MP4")
      expect(packets.every((p, i) => Buffer.compare(p.data, stream[kind][i]?.data ?? stream.asc) === 0)).toBe(
        true,
      );
  }
});
