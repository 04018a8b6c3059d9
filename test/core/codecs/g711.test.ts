import { expect, test } from "vitest";
import { decodeG711, pcma, pcmu } from "../../../src/core/codecs/g711.ts";
import { g722 } from "../../../src/core/codecs/g722.ts";

const samples = (law: "pcmu" | "pcma", ...codes: number[]) => {
  const b = decodeG711(law, Uint8Array.from(codes));
  return Array.from({ length: codes.length }, (_, i) => new DataView(b.buffer).getInt16(2 * i, true));
};

test("mu-law codes are the samples of ITU-T G.711, table 2", () => {
  // Largest, smallest and the steps in between; both zeros.
  expect(samples("pcmu", 0x80, 0x00, 0xff, 0x7f)).toEqual([32124, -32124, 0, 0]);
  expect(samples("pcmu", 0x8f, 0x90, 0x9f, 0xef, 0xfe)).toEqual([16764, 15996, 8316, 132, 8]);
});

test("A-law codes are the samples of ITU-T G.711, table 1", () => {
  expect(samples("pcma", 0xaa, 0x2a, 0xd5, 0x55)).toEqual([32256, -32256, 8, -8]);
  expect(samples("pcma", 0xba, 0x80, 0x95)).toEqual([16128, 5504, 2112]);
});

test("every code of either law is louder the further it is from silence, and has its opposite", () => {
  for (const law of ["pcmu", "pcma"] as const) {
    const all = samples(law, ...Array.from({ length: 256 }, (_, i) => i));
    expect(new Set(all.map(Math.abs)).size).toBe(128);
    for (let code = 0; code < 256; code++) expect(all[code]).toBe(0 - (all[code ^ 0x80] ?? 0) || 0);
  }
});

test("what is longer than a packet goes into several, in order", () => {
  const frame = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
  for (const codec of [pcmu, pcma, g722]) {
    const chunks = codec.packetizer().packetize(frame, { keyframe: true, maxPayload: 200 });
    expect(chunks.map((c) => c.payload.length)).toEqual([200, 200, 100]);
    expect(Uint8Array.from(chunks.flatMap((c) => [...c.payload]))).toEqual(frame);
  }
});
