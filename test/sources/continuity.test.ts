import { describe, expect, test } from "vitest";
import { continuity, flashOnsets, type SeenFrame } from "../../src/sources/ground-truth/picture.ts";

const frame = (slot: number, number: number | undefined, flash = false): SeenFrame => ({
  time: slot / 30,
  number,
  flash,
});
/** Numbers of frames that follow each other without a hole in time. */
const row = (...numbers: (number | undefined)[]) => numbers.map((n, i) => frame(i, n));
const clean = { missing: 0, duplicated: 0, outOfOrder: 0, skipped: 0, unreadable: 0 };

describe("completeness of a recording", () => {
  test("a loop that starts over is complete", () => {
    expect(continuity(row(297, 298, 299, 0, 1, 2), 300)).toEqual(clean);
  });

  test("a hole in time and numbers is missing frames", () => {
    expect(continuity([frame(0, 10), frame(1, 11), frame(4, 14)], 300)).toEqual({ ...clean, missing: 2 });
  });

  test("a hole over the end of the loop is counted right", () => {
    expect(continuity([frame(0, 298), frame(4, 2)], 300)).toEqual({ ...clean, missing: 3 });
  });

  test("numbers that jump without a hole in time were cut by the sender", () => {
    expect(continuity([frame(0, 10), frame(1, 30)], 300)).toEqual({ ...clean, skipped: 19 });
  });

  test("a cut next to a loss is told apart", () => {
    expect(continuity([frame(0, 10), frame(3, 30)], 300)).toEqual({ ...clean, missing: 2, skipped: 17 });
  });

  test("times that are rounded to milliseconds make no holes", () => {
    const frames = Array.from({ length: 900 }, (_, n) => ({
      time: Math.round((n * 1000) / 30) / 1000,
      number: n % 300,
      flash: false,
    }));
    expect(continuity(frames, 300)).toEqual(clean);
  });

  test("a repeated and a late frame are no missing ones", () => {
    expect(continuity(row(5, 6, 6, 7, 8), 300)).toEqual({ ...clean, duplicated: 1 });
    expect(continuity(row(5, 6, 8, 7, 9), 300)).toMatchObject({ outOfOrder: 1 });
  });

  test("an unreadable frame in its place is not missing", () => {
    expect(continuity(row(5, undefined, undefined, 8), 300)).toEqual({ ...clean, unreadable: 2 });
  });

  test("no frames are nothing", () => {
    expect(continuity([], 300)).toEqual(clean);
  });
});

describe("the start of a flash", () => {
  test("is the first white frame", () => {
    const frames = [frame(28, 28), frame(29, 29), frame(30, 30, true), frame(31, 31, true), frame(32, 32)];
    expect(flashOnsets(frames)).toEqual([1]);
  });

  test("is known by the second frame's number when the first one was lost", () => {
    expect(flashOnsets([frame(29, 29), frame(31, 31, true), frame(32, 32)])[0]).toBeCloseTo(1, 9);
  });

  test("is taken as seen when the number cannot be read", () => {
    expect(flashOnsets([frame(29, 29), frame(30, undefined, true)])).toEqual([1]);
  });

  test("is unknown for a recording that starts in the middle of one without a number", () => {
    expect(flashOnsets([frame(0, undefined, true), frame(1, 2)])).toEqual([]);
  });
});
