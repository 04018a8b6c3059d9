import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { FlvReader } from "../../src/core/containers/flv/reader.ts";
import { cmafFragment, type Mp4Sample } from "../../src/core/containers/mp4/cmaf.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";

/* Three seconds of H.264 and AAC as a live encoder makes them, in FLV and out of it. */

const run = promisify(execFile);

/** What is encoded: a test picture with a keyframe every second, and a tone. */
export const STREAM = { framesPerSecond: 30, seconds: 3, sampleRate: 48_000, channels: 2 } as const;
/** Samples of a frame of AAC. */
const AAC_FRAME = 1024;
/** Pictures of a fragment: a third of a second. */
const STEP = 10;

/** An encoded stream. Times count from 0 and are exact. */
export type EncodedStream = {
  readonly width: number;
  readonly height: number;
  /** AVCDecoderConfigurationRecord; AudioSpecificConfig. */
  readonly avcC: Uint8Array;
  readonly asc: Uint8Array;
  readonly video: readonly Mp4Sample[];
  readonly audio: readonly Mp4Sample[];
  readonly reader: FlvReader;
  /** How far the times in FLV, which are rounded and moved by the encoder's delay, are off; milliseconds. */
  readonly offMs: number;
};

/** Encodes into an FLV file, as from a pipe, and reads that. */
export async function encodeStream(path: string, width: number, height: number): Promise<EncodedStream> {
  const { framesPerSecond, seconds, sampleRate, channels } = STREAM;
  const inputs = [`testsrc2=s=${width}x${height}:r=${framesPerSecond}`, `sine=r=${sampleRate}:f=440`];
  await run(await locateFfmpeg(), [
    ...["-v", "error", ...inputs.flatMap((i) => ["-f", "lavfi", "-i", i]), "-t", `${seconds}`],
    ...["-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "main"],
    ...["-bf", "0", "-g", `${framesPerSecond}`, "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", `${channels}`],
    ...["-flush_packets", "1", "-flvflags", "no_duration_filesize", "-f", "flv", path],
  ]);
  const reader = new FlvReader();
  const configs = { video: new Uint8Array(0), audio: new Uint8Array(0) };
  const lists: Record<"video" | "audio", Mp4Sample[]> = { video: [], audio: [] };
  let offMs = 0;
  for (const e of reader.push(await readFile(path))) {
    if (e.t === "config") {
      configs[e.kind] = Uint8Array.from(e.data);
      continue;
    }
    const list = lists[e.kind];
    const duration = e.kind === "video" ? 90_000 / framesPerSecond : AAC_FRAME;
    const time = list.length * duration;
    offMs = Math.max(offMs, Math.abs(e.timeMs - (time * 1000) / clockOf(e.kind)));
    list.push({ data: e.data, time, duration, keyframe: e.keyframe });
  }
  return { width, height, avcC: configs.video, asc: configs.audio, ...lists, reader, offMs };
}

/** Ticks per second of a track's times. */
export function clockOf(kind: "video" | "audio"): number {
  return kind === "video" ? 90_000 : STREAM.sampleRate;
}

/** A sample `seconds` later. */
function later(s: Mp4Sample, kind: "video" | "audio", seconds: number): Mp4Sample {
  return { ...s, time: s.time + seconds * clockOf(kind) };
}

/** The samples of every fragment, `seconds` later: so many pictures, and the sound that begins before the next ones. */
export function fragmentsOf(e: EncodedStream, seconds = 0): { video: Mp4Sample[]; audio: Mp4Sample[] }[] {
  const count = e.video.length / STEP;
  return Array.from({ length: count }, (_, i) => {
    const from = (i * STEP) / STREAM.framesPerSecond;
    const to = i === count - 1 ? Number.POSITIVE_INFINITY : ((i + 1) * STEP) / STREAM.framesPerSecond;
    const here = (kind: "video" | "audio") =>
      e[kind]
        .filter((s) => s.time / clockOf(kind) >= from && s.time / clockOf(kind) < to)
        .map((s) => later(s, kind, seconds));
    return { video: here("video"), audio: here("audio") };
  });
}

/** The fragments as fragmented MP4: every third one begins a segment, with a keyframe. */
export function cmafFragmentsOf(
  e: EncodedStream,
  seconds: number,
  which: "both" | "video" | "audio" = "both",
): Uint8Array[][] {
  return fragmentsOf(e, seconds).map(({ video, audio }, i) =>
    cmafFragment(i + 1, which === "audio" ? [] : video, which === "video" ? [] : audio, {
      segmentStart: i % 3 === 0,
    }),
  );
}
