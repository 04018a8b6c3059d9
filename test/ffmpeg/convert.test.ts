import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OPUS_SILENCE, opusHead } from "../../src/core/codecs/opus-packet.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { convertRecording } from "../../src/ffmpeg/convert.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { inspectFile } from "../support/inspect-file.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "roomtap-convert-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A Matroska file with a packet of 20 ms at each of these times (ms). */
async function soundFile(times: readonly number[]): Promise<string> {
  const path = join(folder, "in.mkv");
  const track = {
    ...{ number: 1, kind: "audio" as const, codecId: "A_OPUS", codecPrivate: opusHead({ channels: 2 }) },
    ...{ sampleRate: 48_000, channels: 2, seekPreRollNs: 80_000_000 },
  };
  const writer = new MatroskaWriter("matroska", [track]);
  const file: Buffer[] = [];
  const patch = (pieces: readonly { at: number; bytes: Uint8Array }[]) => {
    for (const p of pieces) file.push(Buffer.from(p.bytes));
  };
  patch([writer.header()]);
  for (const t of times) patch(writer.block(1, t, 20, true, OPUS_SILENCE));
  await writeFile(path, Buffer.concat(file));
  return path;
}

test("sound whose clock drifts keeps its length when it is converted", async () => {
  // Exact for two seconds, then every packet comes a little late: the first correction is in the middle.
  const times = Array.from({ length: 200 }, (_, i) => 20 * i + (i < 100 ? 0 : Math.round((i - 100) / 10)));
  const output = join(folder, "out.mp4");
  await convertRecording({
    ffmpeg: await locateFfmpeg(),
    input: await soundFile(times),
    output,
    format: "mp4",
    audio: "opus",
    durationMs: 4000,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  const { audio, errors } = await inspectFile(output);
  expect(errors).toEqual([]);
  expect(audio?.codec).toBe("aac");
  expect(Math.abs((audio?.durationMs ?? 0) - 4020)).toBeLessThanOrEqual(40);
  expect(Math.abs((audio?.endMs ?? 0) - 4020)).toBeLessThanOrEqual(40);
});

test.each(["webm", "mp4"] as const)("pictures keep their times when they become %s", async (format) => {
  const ffmpeg = await locateFfmpeg();
  const input = join(folder, "pictures.mkv");
  const output = join(folder, `pictures.${format}`);
  // Every 33 ms, and each third comes soon after the one before it.
  const times = Array.from({ length: 30 }, (_, n) => 33 * n - 22 * (n % 3 === 2 ? 1 : 0));
  const codec =
    format === "webm" ? ["-c:v", "libx264", "-bf", "0"] : ["-c:v", "libvpx", "-deadline", "realtime"];
  execFileSync(ffmpeg, [
    ...["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=128x72:r=30:d=1,settb=1/1000"],
    ...["-vf", "setpts='33*N-22*eq(mod(N\\,3)\\,2)'", ...codec, "-vsync", "passthrough"],
    ...["-enc_time_base:v", "1:1000", "-f", "matroska", input],
  ]);
  await convertRecording({
    ...{ ffmpeg, input, output, format, durationMs: 1000 },
    video: { codec: format === "webm" ? "h264" : "vp8", width: 128, height: 72 },
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  const { video, errors } = await inspectFile(output);
  expect(errors).toEqual([]);
  expect(video?.times.toSorted((a, b) => a - b)).toEqual(times);
});
