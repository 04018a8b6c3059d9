import { expect, test } from "vitest";
import { ascii, concat, u8, u32 } from "../../../src/core/bytes.ts";
import { descriptor } from "../../../src/core/containers/mp4/boxes.ts";
import { cmafFragment, cmafHeader, type Mp4Sample } from "../../../src/core/containers/mp4/cmaf.ts";
import { hex } from "../codecs/hex.ts";

const video = { config: Uint8Array.of(1, 0x4d, 0x40, 30, 0xff, 0xe0, 0), width: 640, height: 360 };
const audio = { config: Uint8Array.of(0x11, 0x90), sampleRate: 48_000, channels: 2 };

type Box = {
  readonly type: string;
  readonly at: number;
  readonly body: Uint8Array;
  readonly boxes: readonly Box[];
};

const PARENTS = new Set(["moov", "trak", "mdia", "minf", "stbl", "dinf", "mvex", "moof", "traf"]);
/** Octets of a parent's own before its boxes. */
const OWN: Readonly<Record<string, number>> = { stsd: 8, dref: 8, avc1: 78, mp4a: 28 };

/** Boxes of a file, and those in them. */
function boxesOf(b: Uint8Array, from = 0): Box[] {
  const out: Box[] = [];
  for (let at = 0; at < b.length; ) {
    const size = u32(b, at);
    if (size < 8 || at + size > b.length) throw new Error(`octet ${from + at} begins no box`);
    const type = ascii(b, at + 4, at + 8);
    const body = b.subarray(at + 8, at + size);
    const own = OWN[type] ?? (PARENTS.has(type) ? 0 : undefined);
    const boxes = own === undefined ? [] : boxesOf(body.subarray(own), from + at + 8 + own);
    out.push({ type, at: from + at, body, boxes });
    at += size;
  }
  return out;
}

const all = (boxes: readonly Box[], type: string): Box[] =>
  boxes.flatMap((b) => [...(b.type === type ? [b] : []), ...all(b.boxes, type)]);
const bodyOf = (boxes: readonly Box[], type: string) => all(boxes, type)[0]?.body ?? new Uint8Array(0);
const tree = (boxes: readonly Box[]): string =>
  boxes.map((b) => (b.boxes.length > 0 ? `${b.type}(${tree(b.boxes)})` : b.type)).join(" ");

function trackTree(media: string, entry: string): string {
  const table = `stsd(${entry}) stts stsc stsz stco`;
  return `trak(tkhd mdia(mdhd hdlr minf(${media} dinf(dref(url )) stbl(${table}))))`;
}

test("the header has both tracks, without samples and edit lists", () => {
  const boxes = boxesOf(cmafHeader(video, audio));
  const tracks = `${trackTree("vmhd", "avc1(avcC)")} ${trackTree("smhd", "mp4a(esds)")}`;
  expect(tree(boxes)).toBe(`ftyp moov(mvhd ${tracks} mvex(trex trex))`);
  expect(all(boxes, "tkhd").map((b) => u32(b.body, 12))).toEqual([1, 2]);
  expect(all(boxes, "trex").map((b) => u32(b.body, 4))).toEqual([1, 2]);
  expect(all(boxes, "mdhd").map((b) => u32(b.body, 12))).toEqual([90_000, 48_000]);
  expect(all(boxes, "hdlr").map((b) => ascii(b.body, 8, 12))).toEqual(["vide", "soun"]);
  expect(bodyOf(boxes, "avcC")).toEqual(video.config);
  // Width and height, in the sample entry and, before a binary point, in the track's header.
  expect([u32(bodyOf(boxes, "avc1"), 24), ...[76, 80].map((i) => u32(bodyOf(boxes, "tkhd"), i))]).toEqual([
    (640 << 16) | 360,
    640 << 16,
    360 << 16,
  ]);
  const esds =
    "00000000 0380808022 000000 0480808014 40 15 0000000000000000000000 0580808002 1190 068080800102";
  expect(bodyOf(boxes, "esds")).toEqual(hex(esds));
});

test.each(["video", "audio"] as const)("a header of only %s has one track", (which) => {
  const boxes = boxesOf(which === "video" ? cmafHeader(video, undefined) : cmafHeader(undefined, audio));
  expect(all(boxes, "trak").map((b) => u32(bodyOf(b.boxes, "tkhd"), 12))).toEqual([
    which === "video" ? 1 : 2,
  ]);
  expect(all(boxes, "trex")).toHaveLength(1);
});

test("a rate above 65,535 stands only where there is room for it", () => {
  const boxes = boxesOf(cmafHeader(undefined, { ...audio, sampleRate: 96_000 }));
  expect([u32(bodyOf(boxes, "mdhd"), 12), u32(bodyOf(boxes, "mp4a"), 24)]).toEqual([96_000, 0]);
});

const sample = (time: number, duration: number, size: number, keyframe = true): Mp4Sample => ({
  data: new Uint8Array(size).fill(time % 251),
  time,
  duration,
  keyframe,
});
const START = 2 ** 33 + 12;
const pictures = [
  sample(START, 3000, 700),
  sample(START + 3000, 3000, 20, false),
  sample(START + 9000, 3000, 30, false),
];
const sound = [sample(1024, 1024, 200), sample(2048, 1024, 210)];

/** What a fragment says of a track's samples, with the octets that it points at. */
function samplesOf(file: Uint8Array, moof: Box, traf: Box) {
  const run = bodyOf(traf.boxes, "trun");
  const time = bodyOf(traf.boxes, "tfdt");
  let at = moof.at + u32(run, 8);
  const samples = Array.from({ length: u32(run, 4) }, (_, i) => {
    const [duration = 0, size = 0, flags = 0] = [0, 4, 8].map((k) => u32(run, 12 + 12 * i + k));
    at += size;
    return { duration, flags, data: file.slice(at - size, at) };
  });
  return { track: u32(bodyOf(traf.boxes, "tfhd"), 4), start: u32(time, 4) * 2 ** 32 + u32(time, 8), samples };
}

test("a fragment says where and how long every sample is, and begins behind 2^32", () => {
  const file = concat(cmafFragment(7, pictures, sound));
  const boxes = boxesOf(file);
  expect(tree(boxes)).toBe("moof(mfhd traf(tfhd tfdt trun) traf(tfhd tfdt trun)) mdat");
  expect(u32(bodyOf(boxes, "mfhd"), 4)).toBe(7);
  // Addresses count from the fragment's beginning; the times are of 64 bits.
  expect(u32(bodyOf(boxes, "tfhd"), 0)).toBe(0x02_0000);
  expect(u8(bodyOf(boxes, "tfdt"), 0)).toBe(1);
  const [moof] = boxes;
  const tracks = moof ? all([moof], "traf").map((t) => samplesOf(file, moof, t)) : [];
  const key = 0x0200_0000;
  const other = 0x0101_0000;
  expect(tracks).toEqual([
    {
      track: 1,
      start: START,
      samples: [
        { duration: 3000, flags: key, data: pictures[0]?.data },
        // It stays until the next one, as another was left out between them.
        { duration: 6000, flags: other, data: pictures[1]?.data },
        { duration: 3000, flags: other, data: pictures[2]?.data },
      ],
    },
    { track: 2, start: 1024, samples: sound.map((s) => ({ duration: 1024, flags: key, data: s.data })) },
  ]);
});

test("a fragment has only the tracks that have samples, wherever it stands", () => {
  const file = concat([cmafHeader(video, audio), ...cmafFragment(1, [], sound, { segmentStart: true })]);
  const boxes = boxesOf(file);
  expect(tree(boxes.slice(2))).toBe("styp moof(mfhd traf(tfhd tfdt trun)) mdat");
  const moof = boxes[3];
  const [traf] = moof ? all([moof], "traf") : [];
  const read = moof && traf ? samplesOf(file, moof, traf) : undefined;
  expect([read?.track, read?.samples.map((s) => s.data)]).toEqual([2, sound.map((s) => s.data)]);
  expect(cmafFragment(1, [], [], { segmentStart: true })).toEqual([]);
});

test("octets of samples are not copied", () => {
  expect(cmafFragment(1, pictures, sound).slice(2)).toEqual([...pictures, ...sound].map((s) => s.data));
  expect(cmafFragment(1, pictures, [])[2]).toBe(pictures[0]?.data);
});

test("the length of a descriptor takes seven bits of every octet", () => {
  expect(descriptor(5, new Uint8Array(300)).subarray(0, 5)).toEqual(Uint8Array.of(5, 0x80, 0x80, 0x82, 44));
});
