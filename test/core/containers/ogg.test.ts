import { expect, test } from "vitest";
import { concat, equalBytes, u8 } from "../../../src/core/bytes.ts";
import { opusHead } from "../../../src/core/codecs/opus-packet.ts";
import { oggCrc } from "../../../src/core/containers/ogg/crc.ts";
import { OggOpusWriter } from "../../../src/core/containers/ogg/opus-writer.ts";
import { oggPage } from "../../../src/core/containers/ogg/page.ts";
import { OggWriter } from "../../../src/core/containers/ogg/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";

type Page = { flags: number; granule: bigint; sequence: number; lacing: number[]; body: Uint8Array };

/** Takes a file apart by RFC 3533, with a checksum that is computed bit by bit. */
function pages(file: Uint8Array): Page[] {
  const out: Page[] = [];
  for (let at = 0; at < file.length; ) {
    expect(String.fromCharCode(...file.subarray(at, at + 4))).toBe("OggS");
    const view = new DataView(file.buffer, file.byteOffset + at);
    const count = u8(file, at + 26);
    const lacing = [...file.subarray(at + 27, at + 27 + count)];
    const length = 27 + count + lacing.reduce((n, l) => n + l, 0);
    const page = file.slice(at, at + length);
    const told = view.getUint32(22, true);
    page.fill(0, 22, 26);
    let crc = 0;
    for (const octet of page)
      for (let bit = 7; bit >= 0; bit--) {
        const top = (crc >>> 31) ^ ((octet >> bit) & 1);
        crc = ((crc << 1) ^ (top ? 0x04c11db7 : 0)) >>> 0;
      }
    expect(told).toBe(crc);
    out.push({
      flags: u8(file, at + 5),
      granule: view.getBigInt64(6, true),
      sequence: view.getUint32(18, true),
      lacing,
      body: page.subarray(27 + count),
    });
    at += length;
  }
  return out;
}

/** Packets of all pages, put together again. */
function packets(list: readonly Page[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  let open: Uint8Array[] = [];
  for (const p of list) {
    let at = 0;
    for (const l of p.lacing) {
      open.push(p.body.subarray(at, at + l));
      at += l;
      if (l === 255) continue;
      out.push(concat(open));
      open = [];
    }
  }
  expect(open).toEqual([]);
  return out;
}

test("the checksum is what comes of the polynomial, bit by bit", () => {
  const page = oggPage({ serial: 0, sequence: 0, granule: 0, lacing: [], body: [] });
  expect(page).toHaveLength(27);
  expect(pages(page)).toHaveLength(1);
  expect(oggCrc(page)).toBe(new DataView(page.buffer).getUint32(22, true));
});

test.each([
  [0, [0]],
  [254, [254]],
  [255, [255, 0]],
  [600, [255, 255, 90]],
])("a packet of %i octets has the lacing %j", (length, lacing) => {
  const writer = new OggWriter(1);
  expect(writer.packet(new Uint8Array(length), 5)).toEqual([]);
  expect(pages(writer.flush())[0]?.lacing).toEqual(lacing);
});

test("a packet longer than pages continues on the next, and no position is told where none ends", () => {
  const writer = new OggWriter(1);
  const small = Uint8Array.of(1, 2, 3);
  const large = Uint8Array.from({ length: 2 * 255 * 255 + 10 }, (_, i) => i * 7);
  // As long as a page to the octet: the segment that ends it stands on the next.
  const exact = large.subarray(0, 255 * 255);
  const parts = [...writer.packet(small, 10), ...writer.packet(large, 20), ...writer.packet(exact, 30)];
  const list = pages(concat([...parts, ...writer.packet(small, 40), writer.flush({ last: true })]));
  const out = packets(list);
  expect(out.map((p) => p.length)).toEqual([3, large.length, exact.length, 3]);
  expect(equalBytes(out[1] ?? small, large) && equalBytes(out[2] ?? small, exact)).toBe(true);
  expect(list.map((p) => p.flags & 1)).toEqual([0, 0, 1, 1, 0, 1]);
  expect(list.map((p) => Number(p.granule))).toEqual([10, -1, -1, 20, -1, 40]);
  expect(list.at(-1)?.flags).toBe(5);
});

test("packets of any size come out as they went in, a second to a page, the position behind each", () => {
  const random = seededRandom(4);
  const head = opusHead({ channels: 2, preSkip: 312 });
  const writer = new OggOpusWriter({ head, serial: 7, tags: { TITLE: "Zoë <b>\u202e" } });
  const sent = Array.from({ length: 1000 }, () =>
    Uint8Array.from({ length: randomInt(random, 700) }, () => randomInt(random, 256)),
  );
  const parts = [writer.first(), ...writer.tags()];
  for (const p of sent) parts.push(...writer.packet(p, 960));
  parts.push(writer.finish());
  const list = pages(concat(parts));
  expect(list.map((p) => p.sequence)).toEqual(list.map((_, i) => i));
  expect(list.map((p) => p.flags)).toEqual(list.map((_, i) => (i === 0 ? 2 : i === list.length - 1 ? 4 : 0)));
  const [first, tags, ...rest] = packets(list);
  expect(first).toEqual(head);
  expect(new TextDecoder().decode(tags)).toContain("TITLE=Zoë <b>\u202e");
  expect(rest.every((p, i) => equalBytes(p, sent[i] ?? head))).toBe(true);
  expect(rest).toHaveLength(sent.length);
  const sound = list.slice(2);
  expect(Math.max(...sound.map((p) => p.lacing.filter((l) => l < 255).length))).toBeLessThanOrEqual(51);
  let ended = 0n;
  for (const p of sound) {
    ended += BigInt(960 * p.lacing.filter((l) => l < 255).length);
    expect(p.granule).toBe(ended);
  }
  expect(writer.playable).toBe(1000 * 960 - 312);
});

test("comments longer than a page go on on the next", () => {
  const tags = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`T${i}`, "ü".repeat(900)]));
  const writer = new OggOpusWriter({ head: opusHead({ channels: 1 }), serial: 1, tags });
  const list = pages(concat([writer.first(), ...writer.tags()]));
  expect(list.length).toBeGreaterThan(3);
  expect(list.slice(2).every((p) => p.flags === 1)).toBe(true);
  expect(list.slice(1, -1).every((p) => p.granule === -1n)).toBe(true);
  expect(packets(list)).toHaveLength(2);
});
