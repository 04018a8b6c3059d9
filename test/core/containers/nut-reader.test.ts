import { describe, expect, test } from "vitest";
import { type NutFrame, NutReader } from "../../../src/core/containers/nut/reader.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";

/** Three pictures of 2x2 as ffmpeg 5.1 writes them, 100 ms apart. */
const FILE = Uint8Array.from(
  Buffer.from(
    "6e75742f6d756c74696d6564696120636f6e7461696e6572004e4d7a561f5f04ad4c04010181ff7f010183f400c000060000" +
      "00000001a00002010128010029002101e37f2002e37f8179c00006000000000001060300000104000001b602fffa02fffb02" +
      "fffc02fffd026ae8d4164e5311405bf2f9db1800000449343230000e83f4000000000202010100a31cd44b4e49ab68b596ba" +
      "7820000000000107656e636f646572020d4c61766635392e32372e3130300d1f10d64e49ab68b596ba783c01000000020765" +
      "6e636f64657202164c61766335392e33372e31303020726177766964656f0c725f6672616d655f72617465020431302f317d" +
      "0ce0244e4be4adeeca45690881fa0000cb1da04c03fa0006105151aa8080040610515e9d8080040610516b908080",
    "hex",
  ),
);
const PICTURES = ["105151aa8080", "10515e9d8080", "10516b908080"];

const seen = (frames: readonly NutFrame[]) =>
  frames.map((f) => [f.stream, f.timeMs, Buffer.from(f.data).toString("hex")]);
const whole = PICTURES.map((p, i) => [0, 500 + 100 * i, p]);

describe("reading NUT", () => {
  test("frames come with their times", () => {
    expect(seen(new NutReader().push(FILE))).toEqual(whole);
  });

  test("a frame is given out with its last octet, however the stream is cut", () => {
    const reader = new NutReader();
    const ends: number[] = [];
    const frames = [...FILE].flatMap((octet, i) => {
      const out = reader.push(Uint8Array.of(octet));
      if (out.length > 0) ends.push(i + 1);
      return out;
    });
    expect(seen(frames)).toEqual(whole);
    expect(ends).toEqual([FILE.length - 16, FILE.length - 8, FILE.length]);
    for (let cut = 1; cut < FILE.length; cut++) {
      const two = new NutReader();
      expect(seen([...two.push(FILE.subarray(0, cut)), ...two.push(FILE.subarray(cut))])).toEqual(whole);
    }
  });

  test("frames stand in the arrays that it is given", () => {
    const arrays: Uint8Array[] = [];
    const reader = new NutReader((size) => {
      const array = new Uint8Array(size).fill(7);
      arrays.push(array);
      return array;
    });
    const frames = reader.push(FILE);
    expect(frames.map((f) => f.data)).toEqual(arrays);
    expect(frames.every((f, i) => f.data === arrays[i])).toBe(true);
  });

  test("something else is refused, and nothing more is read", () => {
    const reader = new NutReader();
    expect(reader.push(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8))).toEqual([]);
    expect(reader.failed).toBe(true);
    expect(reader.push(FILE)).toEqual([]);
    const endless = new NutReader();
    for (let i = 0; i < 3; i++) endless.push(new Uint8Array(40_000).fill(65));
    expect(endless.failed).toBe(true);
  });

  test("broken octets never make it throw or take much memory", () => {
    const random = seededRandom(5);
    let failed = 0;
    for (let run = 0; run < 600; run++) {
      const broken = FILE.slice();
      for (let i = 0; i <= randomInt(random, 4); i++)
        broken[randomInt(random, broken.length)] = randomInt(random, 256);
      let asked = 0;
      const reader = new NutReader((size) => {
        asked = Math.max(asked, size);
        return new Uint8Array(Math.min(size, 1024));
      });
      const at = randomInt(random, broken.length);
      reader.push(broken.subarray(0, at));
      reader.push(broken.subarray(at));
      if (reader.failed) failed++;
      expect(asked).toBeLessThanOrEqual(64 * 1024 * 1024);
    }
    expect(failed).toBeGreaterThan(100);
  });
});
