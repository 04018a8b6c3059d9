import { expect, test } from "vitest";
import { parseRenditions, parseSize2d, planRenditions } from "../../src/bot/restream-plan.ts";

test("renditions are heights, the best first", () => {
  expect(parseRenditions("360p,720p")).toEqual([720, 360]);
  expect(parseRenditions(" 480 ")).toEqual([480]);
  for (const bad of ["", "720p,720p", "721p", "64p", "9000p", "big", "1,2", "720p,,360p", "720p;rm"])
    expect(() => parseRenditions(bad)).toThrow("not a list of renditions");
});

test("a size is two even numbers", () => {
  expect(parseSize2d("640x360")).toEqual({ width: 640, height: 360 });
  for (const bad of ["640", "640x", "641x360", "64x64", "5000x360", "640x360x2", "axb", ""])
    expect(() => parseSize2d(bad)).toThrow("not a size");
});

test("every rendition has the canvas's shape, and fewer bits the smaller it is", () => {
  const plan = planRenditions({
    size: { width: 1280, height: 720 },
    heights: [720, 360, 180],
    framesPerSecond: 30,
  });
  expect(plan.map((r) => `${r.name} ${r.width}x${r.height}`)).toEqual([
    "720p 1280x720",
    "360p 640x360",
    "180p 320x180",
  ]);
  expect(plan.map((r) => r.videoBitrate)).toEqual([2_764_800, 691_200, 250_000]);
  expect(plan.every((r) => r.bitrate === r.videoBitrate + 128_000)).toBe(true);
});

test("the bitrate that was asked for is the best rendition's", () => {
  const plan = planRenditions({
    ...{ size: { width: 1280, height: 720 }, heights: [720, 360], framesPerSecond: 30 },
    videoBitrate: 2_000_000,
  });
  expect(plan.map((r) => r.videoBitrate)).toEqual([2_000_000, 500_000]);
});

test("odd widths become even", () => {
  const [r] = planRenditions({ size: { width: 1000, height: 562 }, heights: [360], framesPerSecond: 30 });
  expect(r).toMatchObject({ width: 640, height: 360 });
});
