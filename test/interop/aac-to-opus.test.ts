import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { concat } from "../../src/core/bytes.ts";
import { parseAudioSpecificConfig } from "../../src/core/codecs/aac.ts";
import { opusHead } from "../../src/core/codecs/opus-packet.ts";
import { FlvReader } from "../../src/core/containers/flv/reader.ts";
import { adtsHeader } from "../../src/core/containers/mpegts/adts.ts";
import { OggOpusWriter } from "../../src/core/containers/ogg/opus-writer.ts";
import type { RoomtapError } from "../../src/core/fault.ts";
import { AacToOpus } from "../../src/ffmpeg/aac-to-opus.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
/** Of an AAC frame. */
const FRAME_MS = 1024 / 48;
/** Where the first frame stands in the program. */
const ZERO_MS = 5000;

let ffmpeg: string;
let folder: string;
let config: Uint8Array;
let frames: Uint8Array[];

beforeAll(async () => {
  ffmpeg = await locateFfmpeg();
  folder = await mkdtemp(join(tmpdir(), "roomtap-opus-"));
  const flv = join(folder, "tone.flv");
  const tone = "aevalsrc='if(gte(t,1),0.5*sin(2*PI*1000*t),0)':s=48000:d=2";
  await run(ffmpeg, ["-v", "error", "-f", "lavfi", "-i", tone, "-ac", "2", "-c:a", "aac", flv]);
  const events = new FlvReader().push(await readFile(flv));
  config = events.find((e) => e.t === "config")?.data ?? new Uint8Array(0);
  frames = events.flatMap((e) => (e.t === "sample" ? [e.data] : []));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Milliseconds from the beginning of what is decoded to the tone in it. */
async function toneAt(file: string): Promise<number> {
  const args = ["-v", "error", "-i", file, "-f", "s16le", "-ac", "1", "-ar", "48000", "pipe:1"];
  const { stdout } = await run(ffmpeg, args, { encoding: "buffer", maxBuffer: 1 << 24 });
  for (let i = 0; 2 * i + 1 < stdout.length; i++)
    if (Math.abs(stdout.readInt16LE(2 * i)) > 3000) return i / 48;
  throw new Error(`no tone in ${file}`);
}

test("sound keeps its time to the millisecond, without holes, soon after it came", async () => {
  const packets: { data: Uint8Array; timeMs: number; lateMs: number }[] = [];
  const failures: RoomtapError[] = [];
  let newestMs = 0;
  const opus = new AacToOpus({
    ffmpeg,
    config,
    bitrate: 96_000,
    onPacket: (data, timeMs) => packets.push({ data, timeMs, lateMs: newestMs - timeMs }),
    onFailure: (error) => failures.push(error),
  });
  const start = performance.now();
  for (const [i, frame] of frames.entries()) {
    await until("its time", () => performance.now() - start >= i * FRAME_MS);
    newestMs = ZERO_MS + i * FRAME_MS;
    opus.push(frame, newestMs);
  }
  await until("the tone", () => (packets.at(-1)?.timeMs ?? 0) > ZERO_MS + 1800);
  await opus.close();
  expect(failures).toEqual([]);
  const times = packets.map((p) => p.timeMs);
  expect(Math.abs((times[0] ?? 0) - ZERO_MS)).toBeLessThan(10);
  for (const [i, t] of times.entries()) expect(t).toBeCloseTo((times[0] ?? 0) + 20 * i, 6);

  const writer = new OggOpusWriter({ head: opusHead({ channels: 2 }), serial: 1, tags: {} });
  const pages = [writer.first(), ...writer.tags(), ...packets.flatMap((p) => writer.packet(p.data, 960))];
  const ogg = join(folder, "tone.ogg");
  await writeFile(ogg, concat([...pages, writer.finish()]));
  const aac = parseAudioSpecificConfig(config);
  if (!aac) throw new Error("no config");
  const adts = join(folder, "tone.aac");
  await writeFile(adts, concat(frames.flatMap((f) => [adtsHeader(aac, f.length), f])));

  const [before, after] = [ZERO_MS + (await toneAt(adts)), (times[0] ?? 0) + (await toneAt(ogg))];
  const late = packets.map((p) => p.lateMs).sort((a, b) => a - b);
  console.log("tone", before, after, "late p50", late[late.length >> 1], "max", late.at(-1));
  expect(Math.abs(after - before)).toBeLessThan(2);
  expect(late[late.length >> 1]).toBeLessThan(150);
});

test("what is no sound ends in a failure, once", async () => {
  const failures: RoomtapError[] = [];
  const o = {
    ffmpeg,
    bitrate: 96_000,
    onPacket: () => undefined,
    onFailure: (e: RoomtapError) => failures.push(e),
  };
  const broken = new AacToOpus({ ...o, config: Uint8Array.of(0) });
  broken.push(Uint8Array.of(1), 0);
  await until("a failure", () => failures.length === 1);
  await broken.close();
  const stuck = new AacToOpus({ ...o, ffmpeg: "/nowhere/ffmpeg", config });
  await until("another", () => failures.length === 2);
  stuck.push(Uint8Array.of(1), 0);
  await stuck.close();
  expect(failures.map((e) => e.code)).toEqual(["ffmpeg-failed", "ffmpeg-failed"]);
});
