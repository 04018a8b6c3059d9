import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { opusHead, opusPacketDuration } from "../../src/core/codecs/opus-packet.ts";
import { MatroskaReader } from "../../src/core/containers/matroska/reader.ts";
import type { MatroskaTrack } from "../../src/core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../src/core/containers/matroska/writer.ts";
import { type OggOpusEvent, OggOpusReader } from "../../src/core/containers/ogg/opus-reader.ts";
import { OggReader } from "../../src/core/containers/ogg/reader.ts";
import { convertToOgg, type OggMade } from "../../src/sinks/recorder/convert-ogg.ts";
import { ffmpegWith, Workshop } from "../support/encoder.ts";
import { MemoryFile } from "../support/matroska.ts";
import { describeWith, findProgram, type Program } from "../support/requires.ts";

/* Ogg of ours read by ffmpeg with two decoders, and Ogg of ffmpeg's read by us. */

const ffmpeg = ffmpegWith("libopus");
const ffprobe: Program = { name: "ffprobe", path: findProgram("ffprobe"), install: "apt install ffmpeg" };
const workshop = new Workshop();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-ogg-conversion-"));
});
afterAll(() => {
  workshop.remove();
  rmSync(folder, { recursive: true, force: true });
});

const SECONDS = 4;
/** A tone that rises all the time: no two places in it are alike. */
const sweep = ["-f", "lavfi", "-i", `aevalsrc=0.3*sin(2*PI*(200+150*t)*t):s=48000:d=${SECONDS}`];
const tone = (hz: number) => [
  "-f",
  "lavfi",
  "-i",
  `sine=frequency=${hz}:duration=${SECONDS}:sample_rate=48000`,
];
const stereo = ["-ac", "2", "-b:a", "64k"];

/** Packets that libopus made. */
function packetsOf(name: string, input: readonly string[], options = stereo): Uint8Array[] {
  const file = workshop.make(ffmpeg, name, [...input, "-c:a", "libopus", ...options, "-f", "matroska"]);
  const reader = new MatroskaReader();
  const events = [...reader.push(file), ...reader.end()];
  return events.flatMap((e) => (e.t === "block" ? [file.slice(e.offset, e.offset + e.size)] : []));
}

/** Packets and their times in milliseconds. */
type Sound = { packets: readonly Uint8Array[]; at: (i: number) => number; head?: Uint8Array };

/** A finished recording with a track for each. */
function recording(...sounds: readonly Sound[]): Uint8Array {
  const tracks = sounds.map(
    ({ head }, i): MatroskaTrack => ({
      ...{ number: i + 1, kind: "audio", codecId: "A_OPUS", sampleRate: 48_000, channels: 2 },
      codecPrivate: head ?? opusHead({ channels: 2 }),
    }),
  );
  const writer = new MatroskaWriter("matroska", tracks);
  const file = new MemoryFile();
  file.apply([writer.header()]);
  const blocks = sounds.flatMap(({ packets, at }, i) => packets.map((data, n) => ({ i, at: at(n), data })));
  for (const b of blocks.sort((x, y) => x.at - y.at))
    file.apply(writer.block(b.i + 1, b.at, 20, true, b.data));
  file.apply(writer.finish());
  return file.bytes;
}

let made = 0;
/** Converts it; `path` is the result. */
async function converted(
  input: Uint8Array,
  o: { signal?: AbortSignal; onProgress?: (x: number) => void } = {},
) {
  const path = join(folder, `${made++}.ogg`);
  writeFileSync(`${path}.mkv`, input);
  const result: OggMade = await convertToOgg({
    input: `${path}.mkv`,
    output: path,
    tags: { TITLE: "Zoë <b>" },
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...o,
  });
  return { path, ...result };
}

/** All channels mixed as ffmpeg decodes them, without a complaint. */
function decoded(path: string, decoder = "opus", o: { stream?: number; seek?: number } = {}): Int16Array {
  const seek = o.seek === undefined ? [] : ["-ss", `${o.seek}`];
  const { stdout, stderr, status } = spawnSync(
    ffmpeg.path ?? "",
    ["-v", "warning", ...seek, "-c:a", decoder, "-i", path, "-map", `0:a:${o.stream ?? 0}`].concat([
      "-ac",
      "1",
      "-f",
      "s16le",
      "-",
    ]),
    { maxBuffer: 1 << 28 },
  );
  expect(stderr.toString()).toBe("");
  expect(status).toBe(0);
  return new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1);
}

/** By how many samples `b` is later than `a`, where both have been the same sound for half a second. */
function shift(a: Int16Array, b: Int16Array, from = 12_000, reach = 60): number {
  let best = Number.POSITIVE_INFINITY;
  let at = 0;
  for (let lag = -reach; lag <= reach; lag++) {
    let error = 0;
    for (let i = from; i < from + 24_000; i += 7) error += Math.abs((a[i] ?? 0) - (b[i + lag] ?? 0));
    if (error >= best) continue;
    best = error;
    at = lag;
  }
  return at;
}

/** Strongest value in a stretch. */
const peak = (a: Int16Array, from: number, to: number) =>
  a.subarray(from, to).reduce((max, v) => Math.max(max, Math.abs(v)), 0);

function readOpus(file: Uint8Array): { events: OggOpusEvent[]; reader: OggOpusReader } {
  const reader = new OggOpusReader(opusPacketDuration);
  return {
    events: [...reader.push(file.subarray(0, 10_000)), ...reader.push(file.subarray(10_000))],
    reader,
  };
}

const soundOf = (events: readonly OggOpusEvent[]) => events.flatMap((e) => (e.t === "packet" ? [e] : []));

describeWith("Ogg that we write", [ffmpeg, ffprobe], () => {
  const packets = () => packetsOf("sweep.mka", sweep);
  const plain = async () =>
    decoded((await converted(recording({ packets: packets(), at: (i) => 20 * i }))).path);

  test.each([
    [0, "opus"],
    [1, "opus"],
    [7, "libopus"],
    [1237, "opus"],
    [1237, "libopus"],
  ] as const)("sound that begins at %i ms is there, to the sample (%s)", async (lead, decoder) => {
    const { path, ...result } = await converted(recording({ packets: packets(), at: (i) => lead + 20 * i }));
    const length = lead + 20 * packets().length;
    expect(result).toMatchObject({ durationMs: length, bytes: readFileSync(path).length });
    const sound = decoded(path, decoder);
    expect(sound.length).toBe(48 * length);
    expect(shift(await plain(), sound.subarray(48 * lead))).toBe(0);
    expect(peak(sound, 0, 48 * lead)).toBeLessThan(40);
  });

  test.each(["opus", "libopus"])(
    "a hole is silence, and what follows stays where it was (%s)",
    async (decoder) => {
      const hole = 333;
      const at = (i: number) => 20 * i + (i < 75 ? 0 : hole);
      const { path, durationMs } = await converted(recording({ packets: packets(), at }));
      const sound = decoded(path, decoder);
      expect(Math.abs(durationMs - (20 * packets().length + hole))).toBeLessThanOrEqual(1);
      const after = (1500 + hole) * 48;
      expect(Math.abs(shift((await plain()).subarray(72_000), sound.subarray(after)))).toBeLessThanOrEqual(
        60,
      );
      expect(peak(sound, 72_000 + 2400, after - 2400)).toBeLessThan(100);
      expect(shift(await plain(), sound)).toBe(0);
    },
  );

  test("a packet that is none becomes silence, and moves nothing", async () => {
    const broken = packets().map((p, i) => (i === 20 ? new Uint8Array(0) : i === 40 ? Uint8Array.of(3) : p));
    const { path, durationMs, tracks } = await converted(recording({ packets: broken, at: (i) => 20 * i }));
    expect(durationMs).toBe(20 * broken.length);
    expect(tracks).toEqual([{ kind: "audio", codec: "opus", frames: broken.length }]);
    expect(shift(await plain(), decoded(path), 60_000)).toBe(0);
  });

  test("six channels with a hole in them stay six channels", async () => {
    const layout = ["-mapping_family", "1", "-b:a", "192k", "-ac", "6"];
    const head = opusHead({
      channels: 6,
      mapping: { streams: 4, coupled: 2, channelMapping: [0, 4, 1, 2, 3, 5] },
    });
    const six = packetsOf("six.mka", tone(440), layout);
    const at = (i: number) => 13 + 20 * i + (i < 100 ? 0 : 170);
    const { path, tracks } = await converted(recording({ packets: six, at, head }));
    expect(tracks).toMatchObject([{ codec: "multiopus" }]);
    for (const decoder of ["opus", "libopus"]) {
      const sound = decoded(path, decoder);
      expect(Math.abs(sound.length - 48 * (20 * six.length + 183))).toBeLessThanOrEqual(60);
    }
    expect(probe(path)).toMatchObject({ streams: [{ codec_name: "opus", channels: 6 }] });
  });

  test("two microphones are two streams, each at its time, their pages in order", async () => {
    const [one, two] = [packetsOf("low.mka", tone(300)), packetsOf("high.mka", tone(900))];
    const late = (i: number) => (i < 60 ? 600 : 2900) + 20 * i;
    const both = recording({ packets: one, at: (i) => 20 * i }, { packets: two.slice(0, 90), at: late });
    const { path, tracks, durationMs } = await converted(both);
    expect(tracks).toHaveLength(2);
    expect(durationMs).toBe(2900 + 90 * 20);
    const [low, high] = [decoded(path), decoded(path, "opus", { stream: 1 })];
    const rises = (a: Int16Array, from: number) => {
      let n = 0;
      for (let i = from + 1; i < from + 24_000; i++) if ((a[i - 1] ?? 0) < 0 && (a[i] ?? 0) >= 0) n++;
      return 2 * n;
    };
    expect(Math.abs(rises(low, 48_000) - 300)).toBeLessThanOrEqual(4);
    expect(Math.abs(rises(high, 48_000) - 900)).toBeLessThanOrEqual(4);
    expect(peak(high, 0, 28_000)).toBeLessThan(40);
    expect(peak(high, 48 * 1900, 48 * 4000)).toBeLessThan(100);
    // No page stands more than two seconds behind one before it.
    let latest = 0;
    for (const p of soundOf(readOpus(readFileSync(path)).events)) {
      expect(p.at).toBeGreaterThan(latest - 2 * 48_000 - 960);
      latest = Math.max(latest, p.at);
    }
    expect(probe(path)).toMatchObject({ streams: [{ codec_name: "opus" }, { codec_name: "opus" }] });
  });

  test("players go to any place in it, and show whose it is", async () => {
    const { path } = await converted(recording({ packets: packets(), at: (i) => 11 + 20 * i }));
    const whole = decoded(path);
    for (const seek of [0.5, 1.77, 3.003]) {
      const part = decoded(path, "opus", { seek });
      expect(Math.abs(shift(whole.subarray(48_000 * seek), part, 4800))).toBeLessThanOrEqual(48);
    }
    const { streams, format } = probe(path);
    expect(streams[0]).toMatchObject({ channels: 2, tags: { TITLE: "Zoë <b>" } });
    expect(Math.abs(Number(format.duration) - whole.length / 48_000)).toBeLessThan(0.003);
  });

  test("we read back what we wrote, packet by packet", async () => {
    const { path, tracks } = await converted(recording({ packets: packets(), at: (i) => 1011 + 20 * i }));
    const { events, reader } = readOpus(readFileSync(path));
    const list = soundOf(events);
    expect([reader.damaged, reader.malformed, list.length]).toEqual([0, 0, tracks[0]?.frames]);
    const own = list.slice(-packets().length);
    expect(own.map((p) => p.data)).toEqual(packets());
    expect(own.map((p) => p.at)).toEqual(packets().map((_, i) => 48 * (1011 + 20 * i)));
  });

  test("the same recording gives the same file", async () => {
    const input = recording({ packets: packets(), at: (i) => 20 * i });
    const [a, b] = [await converted(input), await converted(input)];
    expect(readFileSync(a.path).equals(readFileSync(b.path))).toBe(true);
  });

  test("it can be given up on the way, and says how far it is", async () => {
    const many = Array.from({ length: 14 }, () => packets()).flat();
    const input = recording({ packets: many, at: (i) => 20 * i });
    const shares: number[] = [];
    await converted(input, { onProgress: (share) => shares.push(share) });
    expect(shares.length).toBeGreaterThan(1);
    expect(shares).toEqual([...shares].sort((x, y) => x - y));
    expect(shares.at(-1)).toBe(1);
    const stop = new AbortController();
    const given = converted(input, {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    await expect(given).rejects.toThrow("enough");
  });

  test.each<[string, () => Uint8Array]>([
    ["another codec", () => recording({ packets: packets(), at: (i) => 20 * i, head: new Uint8Array(19) })],
    ["no sound", () => recording({ packets: [], at: () => 0 })],
    ["an impossible time", () => recording({ packets: packets().slice(0, 2), at: (i) => i * 1e10 })],
    ["something else", () => new Uint8Array(5000).fill(7)],
  ])("%s is refused", async (_, input) => {
    await expect(converted(input())).rejects.toMatchObject({ code: "media-invalid" });
  });

  test("a recording that is broken in the middle is not taken for a shorter one", async () => {
    const input = recording({ packets: packets(), at: (i) => 20 * i });
    input.fill(0, input.length / 2, input.length / 2 + 400);
    await expect(converted(input)).rejects.toMatchObject({ code: "media-invalid" });
  });
});

type Probed = {
  streams: { codec_name: string; channels: number; nb_read_packets: string; tags?: Record<string, string> }[];
  format: { duration: string };
};

function probe(path: string): Probed {
  const args = ["-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", path];
  return JSON.parse(execFileSync(ffprobe.path ?? "", args, { encoding: "utf8" })) as Probed;
}

describeWith("Ogg that ffmpeg writes", [ffmpeg, ffprobe], () => {
  test.each<[string, readonly string[]]>([
    ["Opus of one channel", ["-c:a", "libopus", "-ac", "1"]],
    ["Opus in packets of 60 ms", ["-c:a", "libopus", "-frame_duration", "60"]],
    ["Opus of six channels", ["-c:a", "libopus", "-mapping_family", "1", "-ac", "6", "-b:a", "256k"]],
    ["FLAC, in packets longer than pages' segments", ["-c:a", "flac", "-ac", "2"]],
    ["an Opus page for every packet", ["-c:a", "libopus", "-page_duration", "1"]],
  ])("%s: every checksum is right, every packet is found", (name, options) => {
    const title = ["-metadata", "title=Ä"];
    const short = ["-t", "3.1234"];
    const file = workshop.make(ffmpeg, `${name}.ogg`, [
      ...sweep,
      ...short,
      ...options,
      ...title,
      "-f",
      "ogg",
    ]);
    const path = join(folder, "theirs.ogg");
    writeFileSync(path, file);
    const reader = new OggReader();
    const packets = reader.push(file);
    expect([reader.damaged, reader.pending]).toEqual([0, 0]);
    const headers = packets.filter((p) => p.granule === undefined || p.granule === 0).length;
    expect(headers).toBeGreaterThan(0);
    expect(packets.filter((p) => p.lost)).toEqual([]);
    expect([packets[0]?.first, packets.at(-1)?.last]).toEqual([true, true]);
    const stored = Number(probe(path).streams[0]?.nb_read_packets);
    if (!name.includes("Opus")) {
      expect(packets.length).toBeGreaterThan(stored);
      return;
    }
    expect(packets).toHaveLength(stored + 2);
    const { events } = readOpus(file);
    const sound = soundOf(events);
    const samples = sound.reduce((n, p) => n + Math.max(0, Math.min(p.at, 0) + p.kept), 0);
    expect(samples).toBe(decoded(path, "libopus").length);
    expect(sound[0]?.at).toBe(-312);
    const tags = events.find((e) => e.t === "tags");
    const comments = tags?.t === "tags" ? tags.tags.comments.map((c) => Buffer.from(c).toString()) : [];
    expect(comments).toContain("title=Ä");
  });
});
