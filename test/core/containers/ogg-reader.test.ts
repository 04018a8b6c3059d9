import { expect, test } from "vitest";
import { concat, equalBytes } from "../../../src/core/bytes.ts";
import { opusHead, opusPacketDuration } from "../../../src/core/codecs/opus-packet.ts";
import { readOpusHead, readOpusTags, withPreSkip } from "../../../src/core/containers/ogg/opus-headers.ts";
import { type OggOpusEvent, OggOpusReader } from "../../../src/core/containers/ogg/opus-reader.ts";
import { OggOpusWriter } from "../../../src/core/containers/ogg/opus-writer.ts";
import { oggPageLength } from "../../../src/core/containers/ogg/page.ts";
import { type OggPacket, OggReader } from "../../../src/core/containers/ogg/reader.ts";
import { OggWriter } from "../../../src/core/containers/ogg/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";

const random = seededRandom(11);
const packetOf = (length: number) => Uint8Array.from({ length }, () => randomInt(random, 256));
/** A packet of Opus, 20 ms long. */
const sound = (i: number) => Uint8Array.of(0xfc, i & 0xff, i >> 8);

/** The same octets in the same order; comparing hundreds of thousands of them one by one takes a second. */
function expectSent(packets: readonly OggPacket[]): void {
  expect(packets).toHaveLength(sent.length);
  expect(packets.every((p, i) => equalBytes(p.data, sent[i] ?? Uint8Array.of()))).toBe(true);
}

/** Reads a file in pieces of up to `step` octets. */
function readAll(file: Uint8Array, step: number): { packets: OggPacket[]; reader: OggReader } {
  const reader = new OggReader();
  const packets: OggPacket[] = [];
  for (let at = 0; at < file.length; at += step) packets.push(...reader.push(file.subarray(at, at + step)));
  return { packets, reader };
}

/** The pages of a file. */
function split(file: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < file.length; at += out.at(-1)?.length ?? 1)
    out.push(file.subarray(at, at + (oggPageLength(file, at) ?? 0)));
  return out;
}

const sizes = [0, 1, 254, 255, 256, 700, 65_024, 65_025, 65_026, 140_000, 3, 20];
const sent = sizes.map(packetOf);
const file = (() => {
  const writer = new OggWriter(77);
  const pages = sent.flatMap((p, i) => [...writer.packet(p, i), ...(i % 3 === 0 ? [writer.flush()] : [])]);
  return concat([...pages, writer.flush({ last: true })]);
})();

test.each([1_000_000, 4096, 61])("packets of any size are read in pieces of %i octets", (step) => {
  const { packets, reader } = readAll(file, step);
  expectSent(packets);
  expect(packets.map((p) => p.first)).toEqual(sent.map((_, i) => i === 0));
  expect(packets.map((p) => p.last)).toEqual(sent.map((_, i) => i === sent.length - 1));
  expect(packets.every((p) => !p.lost && p.serial === 77)).toBe(true);
  // What is told is true, and it is told of every last packet of a page.
  for (const [i, p] of packets.entries()) expect([i, undefined]).toContain(p.granule);
  expect(packets.filter((p) => p.granule !== undefined).length).toBeGreaterThan(5);
  expect([reader.damaged, reader.pending]).toEqual([0, 0]);
});

test("one wrong bit costs the packets of its page, and is told; the others come", () => {
  const pages = split(file);
  for (const [n, page] of pages.entries()) {
    const wrong = file.slice();
    const at = page.byteOffset - file.byteOffset + randomInt(random, page.length);
    wrong[at] = (wrong[at] ?? 0) ^ (1 << randomInt(random, 8));
    const { packets, reader } = readAll(wrong, 5000);
    expect(packets.length, `page ${n}`).toBeLessThan(sent.length);
    expect(packets.every((p) => sent.some((s) => equalBytes(s, p.data)))).toBe(true);
    expect(reader.damaged + reader.pending).toBeGreaterThanOrEqual(page.length);
    if (n < pages.length - 1) expect(packets.some((p) => p.lost)).toBe(true);
  }
});

test("pages that are missing are told, and half a packet is none", () => {
  const pages = split(file);
  for (let n = 1; n < pages.length - 1; n++) {
    const { packets } = readAll(concat(pages.filter((_, i) => i !== n)), 9000);
    for (const p of packets) expect(sizes).toContain(p.data.length);
    expect(packets.filter((p) => p.lost)).toHaveLength(1);
  }
});

test("what stands between the pages is passed over", () => {
  const pages = split(file);
  const noise = Uint8Array.from([...new TextEncoder().encode("OggOggS"), 0, 0, 1, 2, 3]);
  const { packets, reader } = readAll(concat([noise, ...pages.flatMap((p) => [p, noise])]), 777);
  expectSent(packets);
  expect(reader.damaged + reader.pending).toBe(noise.length * (pages.length + 1));
});

test("a packet without an end fills no memory", () => {
  const writer = new OggWriter(1);
  const endless = writer.packet(new Uint8Array(3 << 20), 0);
  const rest = writer.flush();
  const after = [...writer.packet(Uint8Array.of(7), 1), writer.flush()];
  const { packets } = readAll(concat([...endless, rest, ...after]), 65_536);
  expect(packets).toMatchObject([{ data: Uint8Array.of(7), lost: true }]);
});

test("hundreds of streams that were never closed take no more memory than some", () => {
  const pages = Array.from({ length: 300 }, (_, serial) => {
    const writer = new OggWriter(serial);
    writer.packet(Uint8Array.of(1), 0);
    return writer.flush();
  });
  const { packets, reader } = readAll(concat(pages), 65_536);
  expect(packets).toHaveLength(64);
  expect(reader.damaged).toBe(concat(pages.slice(64)).length);
});

/** An Opus file of `count` packets. */
function opusFile(o: { count: number; preSkip?: number; trim?: number }): Uint8Array {
  const head = opusHead({ channels: 2, preSkip: o.preSkip ?? 0 });
  const writer = new OggOpusWriter({ head, serial: 3, tags: { TITLE: "Zoë", DATE: "2026" } });
  const pages = [writer.first(), ...writer.tags()];
  for (let i = 0; i < o.count; i++) pages.push(...writer.packet(sound(i), 960));
  return concat([...pages, writer.finish(o.trim)]);
}

function readOpus(bytes: Uint8Array): OggOpusEvent[] {
  const reader = new OggOpusReader(opusPacketDuration);
  return [...reader.push(bytes.subarray(0, 500)), ...reader.push(bytes.subarray(500))];
}

const heard = (events: readonly OggOpusEvent[]) => events.flatMap((e) => (e.t === "packet" ? [e] : []));

test("packets of Opus come with their places, the start skipped and the end trimmed", () => {
  const events = readOpus(opusFile({ count: 240, preSkip: 312, trim: 100 }));
  const [head, tags] = events;
  expect(head).toMatchObject({ t: "head", head: { channels: 2, preSkip: 312, family: 0, streams: 1 } });
  const comments = tags?.t === "tags" ? tags.tags.comments.map((c) => new TextDecoder().decode(c)) : [];
  expect(comments).toEqual(["TITLE=Zoë", "DATE=2026"]);
  const list = heard(events);
  expect(list.map((p) => p.data)).toEqual(Array.from({ length: 240 }, (_, i) => sound(i)));
  expect(list.map((p) => p.at)).toEqual(Array.from({ length: 240 }, (_, i) => 960 * i - 312));
  expect(list.map((p) => p.kept)).toEqual(Array.from({ length: 240 }, (_, i) => (i === 239 ? 860 : 960)));
});

test("where a page is missing, what follows keeps its place", () => {
  const pages = split(opusFile({ count: 300 }));
  const list = heard(readOpus(concat(pages.filter((_, i) => i !== 4))));
  expect(list).toHaveLength(250);
  for (const p of list) expect(p.at).toBe(960 * ((p.data[1] ?? 0) + 256 * (p.data[2] ?? 0)));
});

test("a stream that was joined late begins where it says", () => {
  const writer = new OggWriter(3);
  writer.packet(opusHead({ channels: 1 }), 0);
  const pages = [writer.flush()];
  writer.packet(Uint8Array.from([...new TextEncoder().encode("OpusTags"), ...new Uint8Array(8)]), 0);
  pages.push(writer.flush());
  for (let i = 1; i <= 3; i++) writer.packet(sound(i), 48_000 + 960 * i);
  pages.push(writer.flush());
  expect(heard(readOpus(concat(pages))).map((p) => p.at)).toEqual([48_000, 48_960, 49_920]);
});

const surround = opusHead({
  channels: 6,
  mapping: { streams: 4, coupled: 2, channelMapping: [0, 4, 1, 2, 3, 5] },
});

test.each<[string, Uint8Array, object | undefined]>([
  [
    "stereo",
    opusHead({ channels: 2, preSkip: 3840 }),
    { channels: 2, preSkip: 3840, streams: 1, coupled: 1 },
  ],
  ["six channels", surround, { channels: 6, family: 1, streams: 4, coupled: 2 }],
  ["cut off", opusHead({ channels: 2 }).subarray(0, 18), undefined],
  ["no channels", opusHead({ channels: 0 }), undefined],
  ["three channels without a mapping", opusHead({ channels: 3 }), undefined],
  ["a mapping that is cut off", surround.subarray(0, 26), undefined],
  ["a channel from a stream that is not there", surround.map((v, i) => (i === 22 ? 6 : v)), undefined],
  ["a channel that is silent", surround.map((v, i) => (i === 22 ? 255 : v)), { channels: 6 }],
  ["more stereo than streams", surround.map((v, i) => (i === 20 ? 5 : v)), undefined],
  ["another version", surround.map((v, i) => (i === 8 ? 16 : v)), undefined],
])("the head of %s", (_, bytes, expected) => {
  const head = readOpusHead(bytes);
  if (expected) expect(head).toMatchObject(expected);
  else expect(head).toBeUndefined();
});

test("another pre-skip changes nothing else", () => {
  expect(withPreSkip(surround, 517)).toEqual(
    opusHead({
      channels: 6,
      preSkip: 517,
      mapping: { streams: 4, coupled: 2, channelMapping: [0, 4, 1, 2, 3, 5] },
    }),
  );
});

test("comments that end too early, or claim more than there is, are none", () => {
  const whole = Uint8Array.from([
    ...new TextEncoder().encode("OpusTags"),
    1,
    0,
    0,
    0,
    65,
    1,
    0,
    0,
    0,
    2,
    0,
    0,
    0,
    66,
    61,
  ]);
  expect(readOpusTags(whole)).toMatchObject({ vendor: "A", comments: [Uint8Array.of(66, 61)] });
  for (let n = 0; n < whole.length; n++) expect(readOpusTags(whole.subarray(0, n))).toBeUndefined();
  expect(readOpusTags(whole.map((v, i) => (i === 20 ? 255 : v)))).toBeUndefined();
});
