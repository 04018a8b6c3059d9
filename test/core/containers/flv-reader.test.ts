import { expect, test } from "vitest";
import { concat } from "../../../src/core/bytes.ts";
import { type FlvEvent, FlvReader } from "../../../src/core/containers/flv/reader.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { mutate } from "../../fuzz/target.ts";
import { FLV_HEADER, FlvTag, flvPicture, flvSound, flvStart, flvTag } from "../../support/flv.ts";

const avcC = Uint8Array.of(1, 66, 0xc0, 30, 0xff, 0xe1, 0, 2, 0x67, 66, 1, 0, 1, 0x68);
const asc = Uint8Array.of(0x11, 0x90);
const random = seededRandom(5);
const octets = (length: number) => Uint8Array.from({ length }, () => randomInt(random, 256));

/** Pictures of 40 ms with sound between them; the first is long. */
const samples = Array.from({ length: 20 }, (_, i) =>
  i % 2 === 0
    ? {
        kind: "video" as const,
        timeMs: 20 * i,
        data: octets(i === 0 ? 150_000 : 40 * i),
        keyframe: i % 8 === 0,
      }
    : { kind: "audio" as const, timeMs: 20 * i, data: octets(5 * i), keyframe: true },
);
const tags = samples.map((s) =>
  s.kind === "video" ? flvPicture(s.timeMs, s.data, s.keyframe) : flvSound(s.timeMs, s.data),
);
const whole = concat([flvStart(avcC, asc), ...tags]);
const expected: FlvEvent[] = [
  { t: "config", kind: "video", data: avcC },
  { t: "config", kind: "audio", data: asc },
  ...samples.map((s) => ({ t: "sample" as const, ...s })),
];

/** Reads a stream in pieces of `step` octets. */
function readAll(stream: Uint8Array, step = 1e9): { events: FlvEvent[]; reader: FlvReader } {
  const reader = new FlvReader();
  const events: FlvEvent[] = [];
  for (let at = 0; at < stream.length; at += step) {
    const piece = stream.slice(at, at + step);
    events.push(...reader.push(piece));
    // Whoever reads a pipe may use the memory again.
    piece.fill(0xee);
  }
  return { events, reader };
}

const timesOf = (events: readonly FlvEvent[]) => events.flatMap((e) => (e.t === "sample" ? [e.timeMs] : []));
const behind = (...more: readonly Uint8Array[]) => readAll(concat([flvStart(avcC, asc), ...more]));

test.each([1e9, 4096, 7, 1])("configurations and samples come in order, from pieces of %i octets", (step) => {
  const { events, reader } = readAll(whole, step);
  expect(events.length).toBe(expected.length);
  expect(events.every((e, i) => Buffer.compare(e.data, expected[i]?.data ?? asc) === 0)).toBe(true);
  expect(events.map((e) => ({ ...e, data: 0 }))).toEqual(expected.map((e) => ({ ...e, data: 0 })));
  expect([reader.failed, reader.ignored, reader.pending]).toEqual([false, 0, 0]);
});

test("a torn end is told, and all before it comes", () => {
  const { events, reader } = readAll(whole.subarray(0, whole.length - 30), 1000);
  expect(events.length).toBe(expected.length - 1);
  expect(reader.pending).toBe((tags.at(-1)?.length ?? 0) - 30);
});

test("a header that is longer is skipped as it says", () => {
  const header = Uint8Array.of(0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 12, 9, 9, 9, 0, 0, 0, 0);
  expect(readAll(concat([header, flvSound(3, asc)])).events).toHaveLength(1);
});

test("time goes on where its 31 bits begin anew, and may stand a little back", () => {
  const end = 2 ** 31 - 10;
  const times = [2 ** 30 - 5, end - 20, end, end + 20, end + 10, end + 2 ** 29];
  const { events } = behind(...times.map((t) => flvSound(t % 2 ** 31, asc)));
  expect(timesOf(events)).toEqual(times);
});

test("what is no H.264 and no AAC, and pictures shown later than decoded, are left out and counted", () => {
  const strange = [
    flvTag(FlvTag.video, 0, [0x12, 1, 0, 0, 0], asc), // Sorenson H.263
    flvTag(FlvTag.video, 0, [0x57, 1, 0, 0, 0], asc), // a command
    flvTag(FlvTag.video, 0, [0x90, 0x68, 0x76, 0x63, 0x31], avcC), // extended header: HEVC
    flvTag(FlvTag.video, 0, [0x27, 1, 0, 0, 40], asc),
    flvTag(FlvTag.video, 0, [0x27, 1, 0, 0, 0]),
    flvTag(FlvTag.video, 0, [0x27, 3, 0, 0, 0], asc),
    flvTag(FlvTag.video, 0, [0x17, 0, 0, 0, 0], avcC.subarray(0, 6)),
    flvTag(FlvTag.video, 0, [0x17, 0, 0, 0, 0], [1, 66, 0xc0, 30, 0xfd, 0xe0, 0]), // lengths of two octets
    flvTag(FlvTag.video, 0, [0x17]),
    flvTag(FlvTag.video, 0),
    flvTag(FlvTag.audio, 0, [0x2f, 1], asc), // MP3
    flvTag(FlvTag.audio, 0, [0xaf, 1]),
    flvTag(FlvTag.audio, 0, [0xaf, 2], asc),
    flvTag(FlvTag.audio, 0),
    flvTag(FlvTag.audio | 0x20, 0, [0xaf, 1], asc), // encrypted
  ];
  const { events, reader } = behind(
    ...strange,
    flvTag(FlvTag.video, 9, [0x17, 2, 0, 0, 0]),
    flvSound(9, asc),
  );
  expect(timesOf(events)).toEqual([9]);
  expect([reader.failed, reader.ignored]).toEqual([false, strange.length]);
});

const broken: [string, Uint8Array][] = [
  ["no FLV", Uint8Array.of(0x46, 0x4c, 0x57, 1, 5, 0, 0, 0, 9)],
  ["another version", Uint8Array.of(0x46, 0x4c, 0x56, 2, 5, 0, 0, 0, 9)],
  ["a header shorter than it is", Uint8Array.of(0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 8)],
  ["a header without end", Uint8Array.of(0x46, 0x4c, 0x56, 1, 5, 0xff, 0, 0, 9)],
  ["an unknown tag", concat([FLV_HEADER, flvTag(10, 0, asc)])],
  ["a tag of another stream", concat([FLV_HEADER, Uint8Array.of(8, 0, 0, 4, 0, 0, 0, 0, 0, 0, 1)])],
  [
    "a tag that would fill the memory",
    concat([FLV_HEADER, Uint8Array.of(9, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0)]),
  ],
  ["a wrong pointer back", concat([FLV_HEADER, flvSound(0, asc).fill(9, -1)])],
];

test.each(broken)("%s ends the reading, and nothing is kept", (_, bytes) => {
  const reader = new FlvReader();
  expect([...reader.push(bytes), ...reader.push(whole)]).toEqual([]);
  expect([reader.failed, reader.pending]).toEqual([true, 0]);
});

test("mutated streams neither throw nor give more than went in, whatever their pieces", () => {
  const seed = concat([flvStart(avcC, asc), ...tags.slice(1, 8)]);
  let events = 0;
  let failures = 0;
  for (let round = 0; round < 5000; round++) {
    const input = mutate(random, seed, whole, 3000);
    const once = readAll(input);
    const pieces = readAll(input, 1 + randomInt(random, 200));
    const given = once.events.reduce((n, e) => n + e.data.length, 0);
    expect(given + once.reader.pending).toBeLessThanOrEqual(input.length);
    expect(pieces.events.length).toBe(once.events.length);
    expect(timesOf(pieces.events)).toEqual(timesOf(once.events));
    expect(pieces.reader.failed).toBe(once.reader.failed);
    events += once.events.length;
    if (once.reader.failed) failures++;
  }
  expect(events).toBeGreaterThan(5000);
  expect(failures).toBeGreaterThan(1000);
});
