import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DrawnText, TextLine } from "../../../src/ffmpeg/draw-text.ts";
import { LiveLettering } from "../../../src/sinks/stage/live-lettering.ts";

const line = (text: string): TextLine => ({ text, size: 20, width: 100 });
const drawn = (width: number): DrawnText => ({
  width,
  height: 30,
  alpha: new Uint8Array(width * 30),
  cut: false,
});

let batches: string[][];
let works: boolean;
let news: number;
let letters: LiveLettering;

beforeEach(() => {
  vi.useFakeTimers();
  batches = [];
  works = true;
  news = 0;
  letters = new LiveLettering({
    ffmpeg: "ffmpeg",
    onDrawn: () => void news++,
    draw: async (_ffmpeg, lines) => {
      batches.push(lines.map((l) => l.text));
      return works ? lines.map((l) => drawn(10 * l.text.trim().length)) : undefined;
    },
  });
});
afterEach(async () => {
  await letters.close();
  vi.useRealTimers();
});

test("lines are drawn together, once, and are there afterwards", async () => {
  expect(letters.of(line("Ada"))).toBeUndefined();
  expect(letters.of(line("Bob"))).toBeUndefined();
  expect(letters.of(line("Ada"))).toBeUndefined();
  await vi.advanceTimersByTimeAsync(100);
  expect(batches).toEqual([["Ada", "Bob"]]);
  expect(news).toBe(1);
  expect(letters.of(line("Ada"))?.width).toBe(30);
  await vi.advanceTimersByTimeAsync(1000);
  expect(batches).toHaveLength(1);
});

test("nothing is drawn of nothing, and what is invisible is not drawn again", async () => {
  expect(letters.of(line(""))).toBeUndefined();
  expect(letters.of(line(" "))).toBeUndefined();
  await vi.advanceTimersByTimeAsync(100);
  expect(letters.of(line(" "))).toBeUndefined();
  await vi.advanceTimersByTimeAsync(100);
  expect(batches).toEqual([[" "]]);
});

test("where drawing fails it is tried again, much later", async () => {
  works = false;
  letters.of(line("Ada"));
  await vi.advanceTimersByTimeAsync(5000);
  expect(batches).toHaveLength(1);
  expect(news).toBe(0);
  works = true;
  await vi.advanceTimersByTimeAsync(6000);
  expect(letters.of(line("Ada"))?.width).toBe(30);
});

test("memory does not grow with the names of a long day", async () => {
  for (let i = 0; i < 1000; i += 100) {
    for (let k = 0; k < 100; k++) letters.of(line(`Guest ${i + k}`));
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(letters.of(line("Guest 999"))).toBeDefined();
  expect(letters.of(line("Guest 0"))).toBeUndefined();
});
