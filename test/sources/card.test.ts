import { describe, expect, test } from "vitest";
import { TestCard } from "../../src/sources/ground-truth/card.ts";
import { flashOnsets, seeFrame } from "../../src/sources/ground-truth/picture.ts";
import { checkSize, FPS, isFlash } from "../../src/sources/ground-truth/spec.ts";
import { scaled } from "./pictures.ts";

const small = { width: 640, height: 360 };

/** What is seen of frame `n` after scaling to a quarter of full size. */
function seen(card: TestCard, n: number) {
  const luma = card.draw(n).subarray(0, small.width * small.height);
  return seeFrame(scaled(luma, small.width, small.height, 320, 180), 320, 180, n / FPS);
}

describe("the test card", () => {
  test("every frame tells its number, and the first two of a second flash", () => {
    const card = new TestCard(small);
    for (let n = 0; n < 95; n++)
      expect(seen(card, n)).toEqual({ time: n / FPS, number: n, flash: n % 30 < 2 });
  });

  test("flashes start at whole seconds", () => {
    const card = new TestCard(small);
    const frames = Array.from({ length: 91 }, (_, n) => seen(card, n));
    expect(flashOnsets(frames)).toEqual([0, 1, 2, 3]);
  });

  test("no two frames that follow each other are the same, flashes aside", () => {
    const card = new TestCard(small);
    const upper = small.width * 316;
    let last = card.draw(2).slice(0, upper);
    for (let n = 3; n < 60; n++) {
      const next = card.draw(n).slice(0, upper);
      if (!isFlash(n)) expect(Buffer.compare(last, next), `frame ${n}`).not.toBe(0);
      last = next;
    }
  });

  test("a frame looks the same however often it is drawn", () => {
    const card = new TestCard(small);
    const first = card.draw(17).slice();
    card.draw(30);
    expect(Buffer.compare(card.draw(17), first)).toBe(0);
  });

  test("luma and chroma keep to the limited range", () => {
    const data = new TestCard({ width: 1280, height: 720 }).draw(247);
    expect(data.length).toBe(1280 * 720 * 1.5);
    let low = 255;
    let high = 0;
    for (const v of data) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
    expect(low).toBeGreaterThanOrEqual(16);
    expect(high).toBeLessThanOrEqual(240);
  });

  test.each([
    [1280, 720, true],
    [320, 180, true],
    [854, 480, true],
    [640, 480, false],
    [641, 360, false],
    [160, 90, false],
    [3840, 2160, false],
  ])("%dx%d can be drawn: %s", (width, height, ok) => {
    const check = () => checkSize({ width, height });
    if (ok) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
