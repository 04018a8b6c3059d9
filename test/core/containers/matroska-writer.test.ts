import { BufferSource, EncodedPacketSink, Input, MATROSKA, WEBM } from "mediabunny";
import { expect, test } from "vitest";
import type { MatroskaTrack } from "../../../src/core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../../src/core/containers/matroska/writer.ts";
import {
  audioTrack,
  blocksOf,
  delta,
  keyframe,
  MemoryFile,
  readBack,
  readEvents,
  sound,
  videoTrack,
  writeFile,
} from "../../support/matroska.ts";

/** The octets of `needle` in `bytes`: offsets. */
function places(bytes: Uint8Array, needle: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = 0; i + needle.length <= bytes.length; i++) {
    if (needle.every((b, k) => bytes[i + k] === b)) out.push(i);
  }
  return out;
}

const CLUSTER = [0x1f, 0x43, 0xb6, 0x75];
const UNKNOWN = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

test("the header keeps its length when tracks are added and pictures grow", () => {
  const writer = new MatroskaWriter("matroska", [{ ...videoTrack, width: 1, height: 1 }]);
  const { length } = writer.header().bytes;
  const larger: MatroskaTrack[] = [{ ...videoTrack, width: 7680, height: 4320, rotation: 90 }];
  expect(writer.rewrite(larger).bytes.length).toBe(length);
  for (let n = 2; n < 10; n++) {
    larger.push({ ...audioTrack, number: n });
    expect(writer.fits(larger)).toBe(true);
    expect(writer.rewrite(larger).bytes.length).toBe(length);
  }
});

test("tracks that the header has no room for are refused", () => {
  const writer = new MatroskaWriter("matroska", [videoTrack]);
  const many = Array.from({ length: 127 }, (_, i) => ({ ...audioTrack, number: i + 1 }));
  expect(writer.fits(many)).toBe(false);
  expect(writer.fits(many.slice(0, 126))).toBe(true);
  writer.header();
  expect(writer.fits(many.slice(0, 126))).toBe(false);
  expect(writer.fits([videoTrack, { ...audioTrack, codecPrivate: new Uint8Array(5000) }])).toBe(false);
});

test("parameter sets of any length fit when the file starts, and leave room for what comes later", async () => {
  const huge = { ...videoTrack, codecId: "V_MPEG4/ISO/AVC", codecPrivate: new Uint8Array(70_000) };
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", [huge]);
  file.apply([writer.header()]);
  for (let t = 0; t < 200; t += 20) file.apply(writer.block(1, t, 20, t === 0, keyframe(t)));
  const both = [huge, audioTrack];
  expect(writer.fits(both)).toBe(true);
  file.apply([writer.rewrite(both)]);
  file.apply(writer.block(2, 200, 20, true, sound(0)));
  file.apply(writer.finish());
  expect(blocksOf(readEvents(file.bytes))).toHaveLength(11);
});

test("a header with 126 tracks is read back with all of them, for an independent reader too", async () => {
  const tracks = Array.from({ length: 126 }, (_, i) => ({ ...audioTrack, number: i + 1 }));
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", tracks);
  file.apply([writer.header()]);
  for (const t of tracks) file.apply(writer.block(t.number, 0, 20, true, sound(t.number)));
  file.apply(writer.finish());
  const events = readEvents(file.bytes);
  expect(events.find((e) => e.t === "tracks")?.tracks.map((t) => t.number)).toEqual(
    tracks.map((t) => t.number),
  );
  expect(blocksOf(events).map((b) => b.track)).toEqual(tracks.map((t) => t.number));
  const back = await readBack(file.bytes);
  expect(back.tracks).toHaveLength(126);
  expect(back.tracks.every((t) => t.packets.length === 1)).toBe(true);
});

test("clusters begin at video keyframes and after five seconds, and are as long as they say only when closed", () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("webm", [videoTrack, audioTrack]);
  file.apply([writer.header()]);
  for (let t = 0; t <= 12_000; t += 100) {
    file.apply(writer.block(2, t, 20, true, sound(t)));
    file.apply(writer.block(1, t, 33, t === 0 || t === 3000, delta(t)));
  }
  const clusters = () => readEvents(file.bytes).filter((e) => e.t === "cluster");
  // The sound at 0 opens the first one; the keyframe of the same time opens the next.
  expect(clusters().map((c) => c.timeMs)).toEqual([0, 0, 3000, 8000]);
  expect(clusters().map((c) => c.end === undefined)).toEqual([false, false, false, true]);
  expect(places(file.bytes, [...CLUSTER, ...UNKNOWN])).toHaveLength(1);
  file.apply(writer.finish());
  expect(places(file.bytes, [...CLUSTER, ...UNKNOWN])).toHaveLength(0);
  const closed = clusters();
  for (const [i, c] of closed.slice(1).entries()) expect(closed[i]?.end).toBe(c.at);
});

test("the seek head and the cues point at what they name", () => {
  const { file } = writeFile(20);
  const { bytes } = file;
  const view = new DataView(bytes.buffer);
  const segment = places(bytes, [0x18, 0x53, 0x80, 0x67])[0] ?? 0;
  const start = segment + 12;
  expect(Number(view.getBigUint64(segment + 4) & 0xffffffffffffffn)).toBe(bytes.length - start);
  const seeks = places(bytes, [0x53, 0xab, 0x84]);
  expect(seeks).toHaveLength(3);
  for (const at of seeks) {
    const id = view.getUint32(at + 3);
    const position = Number(view.getBigUint64(at + 10));
    expect(view.getUint32(start + position)).toBe(id);
  }
  const clusters = new Set(readEvents(bytes).flatMap((e) => (e.t === "cluster" ? [e.at] : [])));
  const cues = places(bytes, [0xb7]).filter(
    (at) => at > (places(bytes, [0x1c, 0x53, 0xbb, 0x6b]).at(-1) ?? 0),
  );
  // Ten pictures, and the sound that opens the file: a place for its own track and for the picture's.
  expect(cues).toHaveLength(12);
  for (const at of cues) {
    const n = (bytes[at + 6] ?? 0) & 0x7f;
    let position = 0;
    for (let i = 0; i < n; i++) position = position * 256 + (bytes[at + 7 + i] ?? 0);
    expect(clusters.has(start + position)).toBe(true);
  }
});

test.each([0, 3.9, 4, 11.99, 19])("a player that seeks to %d s lands on the keyframe before", async (s) => {
  const { file } = writeFile(20);
  const input = new Input({ formats: [WEBM], source: new BufferSource(file.bytes) });
  const track = await input.getPrimaryVideoTrack();
  if (!track) throw new Error("no video");
  const packet = await new EncodedPacketSink(track).getKeyPacket(s);
  expect(packet?.timestamp).toBe(Math.floor(s / 2) * 2);
});

test("what was heard before the first picture can be sought, though players follow the picture's cues alone", () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", [videoTrack, audioTrack]);
  file.apply([writer.header()]);
  for (let t = 0; t < 6000; t += 20) {
    file.apply(writer.block(2, t, 20, true, sound(t)));
    if (t >= 3000)
      file.apply(writer.block(1, t, 20, t % 1000 === 0, t % 1000 === 0 ? keyframe(t) : delta(t)));
  }
  file.apply(writer.finish());
  const { bytes } = file;
  const from = places(bytes, [0x1c, 0x53, 0xbb, 0x6b]).at(-1) ?? 0;
  // CueTime, and CueTrack of each place named after it.
  const cues = new Map<number, number[]>();
  let time = 0;
  for (let at = from; at < bytes.length; at++) {
    const size = (bytes[at + 1] ?? 0) & 0x7f;
    const value = [...bytes.subarray(at + 2, at + 2 + size)].reduce((n, b) => n * 256 + b, 0);
    if (bytes[at] === 0xb3 && size <= 4) time = value;
    if (bytes[at] === 0xf7 && size === 1) cues.set(time, [...(cues.get(time) ?? []), value]);
  }
  const ofPicture = [...cues].filter(([, tracks]) => tracks.includes(videoTrack.number)).map(([at]) => at);
  expect(ofPicture.filter((at) => at < 3000)).not.toHaveLength(0);
  expect(ofPicture[0]).toBe(0);
  expect(ofPicture.filter((at) => at >= 3000)).toEqual([3000, 4000, 5000]);
});

test("after thinning the cues still cover the whole file", () => {
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", [videoTrack]);
  writer.header();
  for (let t = 0; t < 45_000; t++) writer.block(1, t * 2000, 40, true, keyframe(1));
  file.apply(writer.finish());
  const cues = places(file.bytes.slice(writer.length - 700_000), [0xbb]).length;
  expect(cues).toBeGreaterThan(10_000);
  expect(cues).toBeLessThan(20_500);
});

test("neither player claims a language for what nobody named", async () => {
  const { file } = writeFile(1);
  const { tracks } = await readBack(file.bytes);
  expect(await Promise.all(tracks.map((t) => t.track.getLanguageCode()))).toEqual(["und", "und"]);
});

test.each([90, 180, 270] as const)(
  "a picture to be turned by %d degrees is read as such",
  async (rotation) => {
    const { file } = writeFile(1, { tracks: [{ ...videoTrack, rotation }] });
    const input = new Input({ formats: [MATROSKA, WEBM], source: new BufferSource(file.bytes) });
    expect(await (await input.getPrimaryVideoTrack())?.getRotation()).toBe(rotation);
    const tracks = readEvents(file.bytes).find((e) => e.t === "tracks")?.tracks;
    expect(tracks).toEqual([{ ...videoTrack, rotation }]);
    const roll = new DataView(file.bytes.buffer).getFloat64(
      (places(file.bytes, [0x76, 0x75, 0x88])[0] ?? 0) + 3,
    );
    expect(Math.abs(roll)).toBeLessThanOrEqual(180);
  },
);

test("a file says how long it is up to the end of its last block", async () => {
  for (const seconds of [1, 7]) {
    const { file } = writeFile(seconds);
    const { input } = await readBack(file.bytes);
    expect(await input.getDurationFromMetadata()).toBeCloseTo(seconds, 6);
  }
});
