import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import { SeqUnwrapper, seqDiff, TsUnwrapper, tsDiff } from "../../src/core/serial.ts";

describe("serial numbers (RFC 1982)", () => {
  it.each([
    [0, 65535, 1],
    [65535, 0, -1],
    [32767, 0, 32767],
    [32768, 0, -32768],
    [5, 5, 0],
  ])("sees %d from %d at distance %d", (a, b, d) => expect(seqDiff(a, b)).toBe(d));

  it.each([
    [0, 0xffffffff, 1],
    [0x7fffffff, 0, 0x7fffffff],
    [0x80000000, 0, -0x80000000],
  ])("sees timestamp %d from %d at distance %d", (a, b, d) => expect(tsDiff(a, b)).toBe(d));

  it.each([0, 1, 32767, 65535])(
    "never goes negative when the first packets (from %d) were overtaken",
    (s) => {
      const u = new SeqUnwrapper();
      expect(u.unwrap(s)).toBe(s + 65536);
      expect(u.unwrap((s - 3) & 0xffff)).toBe(s + 65533);
      expect(u.unwrap((s + 1) & 0xffff)).toBe(s + 65537);
    },
  );

  it("follows a model over wraps, gaps and reordering, for both widths", () => {
    const random = seededRandom(3);
    for (let round = 0; round < 8; round++) {
      const seqs = new SeqUnwrapper();
      const stamps = new TsUnwrapper();
      let newest = 65536 + randomInt(random, 65536);
      let newestTs = 2 ** 32 + randomInt(random, 2 ** 32);
      seqs.unwrap(newest % 65536);
      stamps.unwrap(newestTs % 2 ** 32);
      for (let i = 0; i < 400; i++) {
        const step = randomInt(random, 32768) - (random() < 0.3 ? 32768 : 0);
        const model = newest + step;
        expect(seqs.peek(model & 0xffff)).toBe(model);
        expect(seqs.unwrap(model & 0xffff)).toBe(model);
        newest = Math.max(newest, model);
        const tsModel = newestTs + (randomInt(random, 2 ** 31) - (random() < 0.3 ? 2 ** 31 : 0));
        expect(stamps.peek(tsModel % 2 ** 32)).toBe(tsModel);
        expect(stamps.unwrap(tsModel % 2 ** 32)).toBe(tsModel);
        newestTs = Math.max(newestTs, tsModel);
      }
    }
  });

  it("starts anew after a reset", () => {
    const u = new SeqUnwrapper();
    u.unwrap(60000);
    u.unwrap(1000);
    u.reset();
    expect(u.peek(7)).toBeUndefined();
    expect(u.unwrap(7)).toBe(65543);
    const t = new TsUnwrapper();
    t.unwrap(9);
    t.reset();
    expect(t.peek(9)).toBeUndefined();
  });
});
