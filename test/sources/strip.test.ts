import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import { Canvas } from "../../src/sources/ground-truth/canvas.ts";
import { drawStrip, readStrip } from "../../src/sources/ground-truth/strip.ts";
import { quantised, scaled } from "./pictures.ts";

const { width, height } = { width: 1280, height: 720 };

function strip(n: number): Uint8Array {
  const canvas = new Canvas(width, height);
  drawStrip(canvas, n);
  return canvas.data.subarray(0, width * height);
}

describe("the frame number in the picture", () => {
  test("numbers from all over the loop and the extremes are read back at a quarter of the size", () => {
    for (const n of [...Array.from({ length: 60 }, (_, i) => i * 5), 299, 4095, 32768, 65535])
      expect(readStrip(scaled(strip(n), width, height, 320, 180), 320, 180)).toBe(n);
  });

  test.each([
    [1920, 1080],
    [1280, 720],
    [854, 480],
    [426, 240],
    [192, 108],
  ])("it is read at %dx%d", (w, h) => {
    for (const n of [0, 1, 137, 299]) expect(readStrip(scaled(strip(n), width, height, w, h), w, h)).toBe(n);
  });

  test("coarse quantisation, noise and faded contrast do not change it", () => {
    const random = seededRandom(7);
    for (const n of [0, 85, 170, 299]) {
      const rough = quantised(strip(n), width, height, 64);
      for (let i = 0; i < rough.length; i++)
        rough[i] = 90 + ((rough[i] ?? 0) - 128) * 0.35 + (random() - 0.5) * 60;
      expect(readStrip(scaled(rough, width, height, 320, 180), 320, 180)).toBe(n);
    }
  });

  test("a damaged block is noticed, not misread", () => {
    const block = 44;
    for (let i = 0; i < 28; i++) {
      const gray = Uint8Array.from(strip(137));
      for (let y = 640; y < 696; y++)
        for (let x = 24 + i * block; x < 24 + (i + 1) * block; x++)
          gray[y * width + x] = (gray[y * width + x] ?? 0) > 128 ? 16 : 235;
      expect(readStrip(gray, width, height), `block ${i}`).toBeUndefined();
    }
  });

  test("black, white and noise have no number", () => {
    const random = seededRandom(3);
    const size = 320 * 180;
    expect(readStrip(new Uint8Array(size), 320, 180)).toBeUndefined();
    expect(readStrip(new Uint8Array(size).fill(235), 320, 180)).toBeUndefined();
    expect(
      readStrip(
        Uint8Array.from({ length: size }, () => 255 * random()),
        320,
        180,
      ),
    ).toBeUndefined();
    expect(readStrip(new Uint8Array(0), 320, 180)).toBeUndefined();
  });
});
