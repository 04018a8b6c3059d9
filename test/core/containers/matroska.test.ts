import { BufferSource, EncodedPacketSink, Input, WEBM } from "mediabunny";
import { describe, expect, test } from "vitest";
import { sizeBytes, uint, voidElement } from "../../../src/core/containers/matroska/ebml.ts";
import { MatroskaReader } from "../../../src/core/containers/matroska/reader.ts";
import { MatroskaScanner } from "../../../src/core/containers/matroska/scan.ts";
import { MatroskaWriter } from "../../../src/core/containers/matroska/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import {
  audioTrack as audio,
  blocksOf as blocks,
  delta,
  readEvents as events,
  keyframe,
  MemoryFile,
  readBack,
  sound,
  videoTrack as video,
  writeFile as write,
} from "../../support/matroska.ts";

describe("a finished file", () => {
  test("holds every packet at its time, for an independent reader", async () => {
    const { file } = write(10);
    const { tracks, duration } = await readBack(file.bytes);
    expect(duration).toBeCloseTo(10, 1);
    const [v, a] = tracks;
    expect(v?.track.codec).toBe("vp8");
    expect(a?.track.codec).toBe("opus");
    expect(v?.packets.length).toBe(250);
    expect(a?.packets.length).toBe(500);
    expect(v?.packets.filter((p) => p.type === "key").map((p) => p.timestamp)).toEqual([0, 2, 4, 6, 8]);
    expect(a?.packets.every((p, i) => Math.abs(p.timestamp - i * 0.02) < 1e-6)).toBe(true);
    expect(v?.packets[1]?.data).toEqual(delta(1));
  });

  test("can be sought: a keyframe in the middle is found by its cue", async () => {
    const { file } = write(30);
    const input = new Input({ formats: [WEBM], source: new BufferSource(file.bytes) });
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new Error("no video");
    const packet = await new EncodedPacketSink(track).getKeyPacket(17.5);
    expect(packet?.timestamp).toBe(16);
    expect(packet?.data).toEqual(keyframe(400));
  });

  test("has no element of unknown size left, and every cluster says where it ends", () => {
    const { file } = write(12);
    const clusters = events(file.bytes).filter((e) => e.t === "cluster");
    expect(clusters.length).toBeGreaterThan(3);
    expect(clusters.every((c) => c.end !== undefined)).toBe(true);
  });

  test("with sound alone has cues and the right length", async () => {
    const { file } = write(60, { tracks: [audio] });
    const { tracks, duration } = await readBack(file.bytes);
    expect(duration).toBeCloseTo(60, 1);
    expect(tracks[0]?.packets.length).toBe(3000);
  });
});

test("a track that comes later is written into the space left in the header", async () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("webm", [audio]);
  file.apply([writer.header()]);
  const length = file.bytes.length;
  for (let t = 0; t < 3000; t += 20) file.apply(writer.block(2, t, 20, true, sound(t)));
  const rewritten = writer.rewrite([audio, video]);
  expect(rewritten.bytes.length).toBe(length);
  file.apply([rewritten]);
  for (let t = 3000; t < 6000; t += 40)
    file.apply(writer.block(1, t, 40, t % 1000 === 0, t % 1000 === 0 ? keyframe(t) : delta(t)));
  file.apply(writer.finish());
  const { tracks } = await readBack(file.bytes);
  expect(tracks.map((t) => t.packets.length).sort()).toEqual([150, 75].sort());
});

test("blocks further apart than 16 bits of milliseconds get a cluster of their own", () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", [video]);
  file.apply([writer.header()]);
  const times = [0, 40, 40_000, 72_766, 72_700, 200_000];
  for (const [i, t] of times.entries())
    file.apply(writer.block(1, t, 40, i === 0, i === 0 ? keyframe(0) : delta(i)));
  file.apply(writer.finish());
  expect(blocks(events(file.bytes)).map((b) => b.timeMs)).toEqual(times);
});

test("a file without a keyframe for hours has bounded cues", () => {
  const writer = new MatroskaWriter("matroska", [audio]);
  writer.header();
  for (let t = 0; t < 2 * 86_400_000; t += 1000) writer.block(2, t, 20, true, sound(1));
  const cues = writer.finish().reduce((n, p) => n + p.bytes.length, 0);
  expect(cues).toBeLessThan(20_000 * 40);
});

test("sizes and voids are as long as they say", () => {
  expect([...sizeBytes(126)]).toEqual([0xfe]);
  expect([...sizeBytes(127)]).toEqual([0x40, 0x7f]);
  expect(sizeBytes(5, 8).length).toBe(8);
  expect([...uint(0x83, 256)]).toEqual([0x83, 0x82, 1, 0]);
  for (const n of [2, 3, 9, 10, 11, 200, 5000]) {
    const v = voidElement(n);
    expect(v.length).toBe(n);
    expect(events(v)).toEqual([]);
  }
});

test("sizes take as many octets as they need, from one to eight, and are read back", () => {
  /** As RFC 8794 section 4 says: the leading zeros tell the octets. */
  const read = (b: Uint8Array): number => {
    const zeros = Math.clz32(b[0] ?? 0) - 24;
    expect(b.length).toBe(zeros + 1);
    return b.reduce((n, x, i) => n * 256 + (i === 0 ? x & (0x7f >> zeros) : x), 0);
  };
  for (let n = 1; n <= 8; n++) {
    // All bits set means "unknown", so that one is the first that needs another octet.
    const most = Math.min(2 ** (7 * n) - 2, Number.MAX_SAFE_INTEGER);
    const sizes = [most, Math.floor(most / 2) + 1, ...(n < 8 ? [] : [2 ** 49 - 1])];
    for (const size of sizes) expect([sizeBytes(size).length, read(sizeBytes(size))]).toEqual([n, size]);
    for (const size of [0, 5, 100]) expect(read(sizeBytes(size, n))).toBe(size);
  }
});

test("blocks around every length of their size field come back whole, for an independent reader", async () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("webm", [video]);
  file.apply([writer.header()]);
  // A block is four octets longer than its frame.
  const lengths = [1, 2, 3, 4].flatMap((n) => [-6, -5, -4, -3, -2, -1, 0].map((d) => 2 ** (7 * n) + d));
  const frames = lengths
    .slice(0, 21)
    .concat(2 ** 21 + 5)
    .map((n, i) => {
      const frame = new Uint8Array(n).fill(i + 1);
      frame.set(keyframe(i).subarray(0, Math.min(n, 10)));
      return frame;
    });
  for (const [i, frame] of frames.entries()) file.apply(writer.block(1, 40 * i, 40, true, frame));
  file.apply(writer.finish());
  const { tracks } = await readBack(file.bytes);
  expect(tracks[0]?.packets.map((p) => p.data.length)).toEqual(frames.map((f) => f.length));
  expect(tracks[0]?.packets.findIndex((p, i) => Buffer.compare(p.data, frames[i] ?? p.data) !== 0)).toBe(-1);
});

test("the reader sees the same whatever the pieces are that it gets", () => {
  const { file } = write(5);
  const whole = events(file.bytes, seededRandom(1), 1_000_000);
  expect(blocks(whole).length).toBe(375);
  for (const [seed, piece] of [
    [2, 1],
    [3, 7],
    [4, 100],
    [5, 5000],
  ] as const) {
    expect(events(file.bytes, seededRandom(seed), piece)).toEqual(whole);
  }
});

describe("an interrupted file", () => {
  const { file } = write(6, { finish: false });
  const random = seededRandom(9);
  const cuts = [
    5000,
    6000,
    file.bytes.length - 1,
    file.bytes.length,
    ...Array.from({ length: 30 }, () => 4300 + randomInt(random, file.bytes.length - 4300)),
  ];

  test.each(cuts)("cut at octet %i is completed at its last whole block and plays", async (cut) => {
    const torn = file.bytes.slice(0, cut);
    const complete = blocks(events(file.bytes)).filter((b) => b.end <= cut);
    const scanner = new MatroskaScanner();
    scanner.push(torn);
    const scan = scanner.result();
    expect(scan?.length).toBe(complete.at(-1)?.end);
    if (!scan) return;
    const fixed = new MemoryFile();
    fixed.bytes = torn.slice(0, scan.length);
    fixed.apply(MatroskaWriter.resume(scan.docType, scan).finish());
    const { tracks, duration } = await readBack(fixed.bytes);
    expect(tracks.reduce((n, t) => n + t.packets.length, 0)).toBe(complete.length);
    expect(duration * 1000).toBeGreaterThan((complete.at(-1)?.timeMs ?? 0) - 1);
  });

  test("with nothing but a header holds nothing", () => {
    const scanner = new MatroskaScanner();
    scanner.push(file.bytes.slice(0, 4000));
    expect(scanner.result()).toBeUndefined();
  });
});

test("10,000 damaged files neither make the reader throw nor make it report what is not there", () => {
  const random = seededRandom(77);
  const { file } = write(1);
  for (let i = 0; i < 10_000; i++) {
    const at = randomInt(random, file.bytes.length);
    const bytes = file.bytes.slice(Math.max(0, at - 200), at + 400);
    const whole = random() < 0.02 ? file.bytes.slice() : bytes;
    for (let k = 0; k < 4; k++) whole[randomInt(random, whole.length)] = randomInt(random, 256);
    const reader = new MatroskaReader();
    for (const e of reader.push(whole)) {
      if (e.t === "block") expect(e.offset + e.size).toBeLessThanOrEqual(whole.length);
    }
  }
});
