import { expect, test } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { buildRed, parseRed, redundantPackets } from "../../../src/core/rtp/red.ts";

const [a, b, c] = [Uint8Array.of(1, 1), Uint8Array.of(2, 2, 2), Uint8Array.of(3)];
const red = buildRed(111, c, [
  { offset: 1920, payload: a },
  { offset: 960, payload: b },
]);

test("the blocks of a packet are found where RFC 2198 puts them", () => {
  expect([...red]).toEqual([
    ...[0x80 | 111, 1920 >> 6, ((1920 & 63) << 2) | 0, 2],
    ...[0x80 | 111, 960 >> 6, (960 & 63) << 2, 3],
    ...[111, 1, 1, 2, 2, 2, 3],
  ]);
  const blocks = parseRed(red) ?? [];
  expect(blocks.map((x) => [x.payloadType, x.offset, [...red.subarray(x.from, x.to)]])).toEqual([
    [111, 1920, [1, 1]],
    [111, 960, [2, 2, 2]],
    [111, 0, [3]],
  ]);
});

test("copies are told which packet they are of by their age, nearest first", () => {
  const found = redundantPackets(red, parseRed(red) ?? [], 111, 960);
  expect(found.map((r) => [r.back, r.offset, [...r.payload]])).toEqual([
    [1, 960, [2, 2, 2]],
    [2, 1920, [1, 1]],
  ]);
  // Packets of another length: nobody knows which ones were lost.
  expect(redundantPackets(red, parseRed(red) ?? [], 111, 1000)).toEqual([]);
  expect(redundantPackets(red, parseRed(red) ?? [], 96, 960)).toEqual([]);
  expect(redundantPackets(red, parseRed(red) ?? [], 111, 0)).toEqual([]);
});

test("empty copies, and copies of no age, are blocks but no packets", () => {
  const odd = buildRed(111, c, [
    { offset: 960, payload: new Uint8Array(0) },
    { offset: 0, payload: b },
  ]);
  const blocks = parseRed(odd) ?? [];
  expect(blocks).toHaveLength(3);
  expect(redundantPackets(odd, blocks, 111, 960)).toEqual([]);
  expect([...odd.subarray(blocks[2]?.from, blocks[2]?.to)]).toEqual([3]);
});

test("a packet that is cut keeps its whole blocks, and one without its headers is nothing", () => {
  for (let n = 0; n < 9; n++) expect(parseRed(red.subarray(0, n))).toBeUndefined();
  for (let n = 9; n < red.length; n++) {
    const blocks = parseRed(red.subarray(0, n)) ?? [];
    for (const x of blocks) expect(x.to).toBeLessThanOrEqual(n);
    expect(blocks.filter((x) => x.offset > 0).length).toBe(n < 11 ? 0 : n < 14 ? 1 : 2);
  }
});

test("no packet of chance has blocks outside of it", () => {
  const random = seededRandom(5);
  for (let i = 0; i < 20_000; i++) {
    const p = Uint8Array.from({ length: randomInt(random, 60) }, () => randomInt(random, 256));
    for (const x of parseRed(p) ?? []) {
      if (x.from > x.to || x.to > p.length) expect.fail(`${x.from}..${x.to} of ${p.length}`);
    }
  }
});
