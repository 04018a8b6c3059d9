import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { concat } from "../../../src/core/bytes.ts";
import {
  bigEndian,
  element,
  Id,
  idBytes,
  sizeBytes,
  UNKNOWN_SIZE,
  uint,
} from "../../../src/core/containers/matroska/ebml.ts";
import { MatroskaReader } from "../../../src/core/containers/matroska/reader.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { blocksOf, readBack, readEvents } from "../../support/matroska.ts";

const files = ["vp8-opus.webm", "h264-opus.mkv"] as const;
const load = (name: string) => new Uint8Array(readFileSync(`test/vectors/matroska/${name}`));

test.each(files)("%s of ffmpeg has the packets that an independent reader finds", async (name) => {
  const bytes = load(name);
  const events = readEvents(bytes);
  const { tracks } = await readBack(bytes);
  expect(tracks).toHaveLength(2);
  for (const { track, packets } of tracks) {
    const ours = blocksOf(events).filter((b) => b.track === track.id);
    expect(ours.map((b) => b.timeMs)).toEqual(packets.map((p) => Math.round(p.timestamp * 1000)));
    expect(ours.map((b) => b.keyframe)).toEqual(packets.map((p) => p.type === "key"));
    expect(ours.map((b) => bytes.slice(b.offset, b.offset + b.size))).toEqual(packets.map((p) => p.data));
  }
});

test("the header of another writer tells its tracks", () => {
  const events = readEvents(load("h264-opus.mkv"));
  expect(events[0]).toEqual({ t: "header", docType: "matroska" });
  const tracks = events.find((e) => e.t === "tracks")?.tracks;
  expect(tracks).toMatchObject([
    { number: 1, kind: "video", codecId: "V_MPEG4/ISO/AVC", width: 64, height: 48 },
    {
      number: 2,
      kind: "audio",
      codecId: "A_OPUS",
      sampleRate: 48_000,
      channels: 1,
      seekPreRollNs: 80_000_000,
    },
  ]);
  // avcC version 1 (ISO/IEC 14496-15 section 5.3.3.1).
  expect(tracks?.[0]?.codecPrivate?.[0]).toBe(1);
});

test.each(files)("%s gives the same events however it is cut", (name) => {
  const bytes = load(name);
  const whole = readEvents(bytes, seededRandom(1), 1_000_000);
  for (const [seed, piece] of [
    [2, 1],
    [3, 5],
    [4, 300],
  ] as const) {
    expect(readEvents(bytes, seededRandom(seed), piece)).toEqual(whole);
  }
});

const cluster = (...children: Uint8Array[]) => element(Id.Cluster, uint(Id.Timestamp, 1000), ...children);

test("a block that refers to another is no keyframe, one that does not is", () => {
  const block = (time: number) => element(Id.Block, Uint8Array.of(0x81, 0, time, 0, 9));
  const bytes = cluster(
    element(Id.BlockGroup, block(1)),
    element(Id.BlockGroup, block(2), element(Id.ReferenceBlock, Uint8Array.of(0xff))),
    element(Id.BlockGroup, element(Id.ReferenceBlock, Uint8Array.of(0xff)), block(3)),
  );
  const read = blocksOf(readEvents(bytes, seededRandom(1), 1));
  expect(read.map((b) => [b.timeMs, b.keyframe])).toEqual([
    [1001, true],
    [1002, false],
    [1003, false],
  ]);
});

test.each([0x02, 0x04, 0x06])(
  "laced blocks (flags %i) are left out, those around them are read",
  (lacing) => {
    const block = (time: number, flags: number) =>
      element(Id.SimpleBlock, Uint8Array.of(0x81, 0, time, flags, 1, 2));
    const bytes = cluster(block(1, 0x80), block(2, 0x80 | lacing), block(3, 0));
    expect(blocksOf(readEvents(bytes)).map((b) => [b.timeMs, b.keyframe])).toEqual([
      [1001, true],
      [1003, false],
    ]);
  },
);

test("block times before their cluster's are read as such", () => {
  const bytes = cluster(element(Id.SimpleBlock, Uint8Array.of(0x81, 0xff, 0x38, 0x80, 1)));
  expect(blocksOf(readEvents(bytes))[0]?.timeMs).toBe(800);
});

test("a block whose end is not there is not reported", () => {
  const bytes = cluster(element(Id.SimpleBlock, Uint8Array.of(0x81, 0, 0, 0x80, 1, 2, 3, 4)));
  for (let n = 0; n < bytes.length; n++) expect(blocksOf(readEvents(bytes.slice(0, n)))).toEqual([]);
  expect(blocksOf(readEvents(bytes))).toHaveLength(1);
});

test.each([
  ["Tracks of a petabyte", concat([idBytes(Id.Tracks), sizeBytes(2 ** 50, 8)])],
  ["an Info of unknown size", concat([idBytes(Id.Info), UNKNOWN_SIZE])],
  [
    "a size beyond all numbers",
    concat([idBytes(Id.Void), Uint8Array.of(0x01, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]),
  ],
  ["an id of five octets", Uint8Array.of(0x08, 1, 2, 3, 4, 5)],
  ["zeros", new Uint8Array(64)],
])("%s ends the reading", (_, hostile) => {
  const reader = new MatroskaReader();
  reader.push(concat([hostile, new Uint8Array(64)]));
  expect(reader.failed).toBe(true);
  expect(reader.push(cluster(element(Id.SimpleBlock, Uint8Array.of(0x81, 0, 0, 0x80, 1))))).toEqual([]);
});

test("an element of a petabyte is skipped without a buffer for it", () => {
  const reader = new MatroskaReader();
  reader.push(concat([idBytes(Id.Void), sizeBytes(2 ** 50, 8)]));
  const before = process.memoryUsage().arrayBuffers;
  const piece = new Uint8Array(1 << 20);
  for (let i = 0; i < 200; i++) expect(reader.push(piece)).toEqual([]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 << 20);
  expect(reader.failed).toBe(false);
});

test("a million claimed tracks are not looked at", () => {
  const entry = element(Id.TrackEntry, uint(Id.TrackNumber, 1), uint(Id.TrackType, 1));
  const bytes = element(Id.Tracks, concat(Array.from({ length: 100_000 }, () => entry)));
  const [event] = readEvents(bytes, seededRandom(1), 1 << 21);
  expect(event?.t === "tracks" && event.tracks.length).toBe(126);
});

test("a time scale of microseconds gives parts of milliseconds", () => {
  const info = element(Id.Info, element(Id.TimestampScale, bigEndian(1000, 2)));
  const bytes = concat([info, cluster(element(Id.SimpleBlock, Uint8Array.of(0x81, 0, 500 & 0xff, 0x80, 1)))]);
  expect(blocksOf(readEvents(bytes))[0]?.timeMs).toBeCloseTo(1.244, 9);
});

test("15,000 damaged files of another writer neither throw nor report what is not there", () => {
  const random = seededRandom(4711);
  const all = files.map(load);
  for (let i = 0; i < 15_000; i++) {
    const bytes = all[i % all.length] ?? new Uint8Array(0);
    // The header most of the time, so that the blocks behind it are looked at; sometimes all of it.
    const length = i % 500 === 0 ? bytes.length : 700 + randomInt(random, 400);
    const damaged = bytes.slice(0, length);
    for (let k = 1 + randomInt(random, 4); k > 0; k--) {
      const at = randomInt(random, length);
      damaged[at] = random() < 0.3 ? 0xff : randomInt(random, 256);
    }
    const reader = new MatroskaReader();
    let last = 0;
    for (const e of [...reader.push(damaged), ...reader.end()]) {
      if (e.t !== "block") continue;
      if (e.offset + e.size > length || e.offset < last) throw new Error(`file ${i}: a block at ${e.offset}`);
      last = e.offset;
    }
  }
});
