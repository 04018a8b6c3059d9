import { describe, expect, test } from "vitest";
import { Canvas, colour } from "../../../src/sinks/compositor/canvas.ts";
import { corners, disc, ring, roundRectangle } from "../../../src/sinks/compositor/shapes.ts";

const WIDTH = 64;
const HEIGHT = 32;

/** YUV at a place. */
function at(c: Canvas, x: number, y: number) {
  const half = (c.width / 2) * Math.floor(y / 2) + Math.floor(x / 2);
  const luma = c.width * c.height;
  return [c.pixels[y * c.width + x], c.pixels[luma + half], c.pixels[luma * 1.25 + half]];
}

/** A picture of a size that is `y` everywhere, and red in its right half. */
function picture(width: number, height: number, y: number): Uint8Array {
  const c = new Canvas(width, height);
  c.fill({ x: 0, y: 0, width, height }, { y, u: 128, v: 128 });
  c.fill({ x: width / 2, y: 0, width: width / 2, height }, { y, u: 90, v: 240 });
  return c.pixels;
}

describe("a canvas", () => {
  test("knows black, white and red of a television", () => {
    expect([0x000000, 0xffffff, 0xff0000].map(colour)).toEqual([
      { y: 16, u: 128, v: 128 },
      { y: 235, u: 128, v: 128 },
      { y: 81, u: 90, v: 240 },
    ]);
  });

  test.each([
    ["as large as the box", 20, 12],
    ["twice as large", 40, 24],
    ["seven times as large", 140, 84],
    ["half as large", 10, 6],
    ["of another shape", 30, 60],
  ])("puts a picture that is %s where the box is, and nowhere else", (_, width, height) => {
    const c = new Canvas(WIDTH, HEIGHT);
    c.draw({ x: 10, y: 8, width: 20, height: 12 }, picture(width, height, 100), width, height);
    for (const [x, y] of [
      [10, 8],
      [15, 12],
      [10, 19],
    ] as const)
      expect(at(c, x, y)).toEqual([100, 128, 128]);
    for (const [x, y] of [
      [29, 8],
      [25, 12],
      [29, 19],
    ] as const)
      expect(at(c, x, y)).toEqual([100, 90, 240]);
    for (const [x, y] of [
      [8, 8],
      [30, 8],
      [10, 6],
      [10, 20],
    ] as const)
      expect(at(c, x, y)).toEqual([0, 0, 0]);
  });

  test("lets a shape cover what is below it as far as it does, and cuts off what is outside", () => {
    const c = new Canvas(WIDTH, HEIGHT);
    c.fill({ x: 0, y: 0, width: WIDTH, height: HEIGHT }, colour(0));
    const mask = { width: 5, height: 5, alpha: new Uint8Array(25).fill(128) };
    c.blend(c.stamp(mask, 3, 3), colour(0xffffff));
    expect(at(c, 5, 5)[0]).toBeGreaterThan(120);
    expect(at(c, 5, 5)[0]).toBeLessThan(131);
    expect([at(c, 2, 3)[0], at(c, 8, 8)[0]]).toEqual([16, 16]);
    const before = c.pixels.slice();
    c.blend(c.stamp(mask, -40, 2), colour(0xffffff));
    expect(c.pixels).toEqual(before);
    c.blend(c.stamp(mask, WIDTH - 2, HEIGHT - 2), colour(0xffffff));
    expect(at(c, WIDTH - 1, HEIGHT - 1)[0]).toBeGreaterThan(120);
  });
});

describe("shapes", () => {
  const sum = (a: Uint8Array) => a.reduce((n, v) => n + v / 255, 0);
  test("a disc has its area, a ring its length, and corners are what a round rectangle leaves", () => {
    expect(sum(disc(40).alpha)).toBeCloseTo(Math.PI * 400, -1);
    const thin = sum(ring(100, 60, 10, 3).alpha);
    expect(thin).toBeGreaterThan(3 * 280);
    expect(thin).toBeLessThan(3 * 320);
    expect(sum(roundRectangle(50, 30, 8).alpha) + sum(corners(50, 30, 8).alpha)).toBeCloseTo(1500, 0);
  });
});
