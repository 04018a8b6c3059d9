import { expect, test } from "vitest";
import { webVtt, webVttText, webVttTime } from "../../../src/core/containers/webvtt.ts";

test("a file has its signature, notes, and numbered cues between blank lines", () => {
  const text = webVtt({
    title: "Call",
    notes: ["made by a test"],
    cues: [
      { startMs: 0, endMs: 1500, text: "one" },
      { startMs: 1500, endMs: 3_600_000, text: "two" },
    ],
  });
  expect(text).toBe(
    "WEBVTT - Call\n\nNOTE made by a test\n\n1\n00:00:00.000 --> 00:00:01.500\none\n\n" +
      "2\n00:00:01.500 --> 01:00:00.000\ntwo\n",
  );
});

test.each([
  [0, "00:00:00.000"],
  [999.6, "00:00:01.000"],
  [59_999, "00:00:59.999"],
  [3_599_999, "00:59:59.999"],
  [360_000_000, "100:00:00.000"],
  [-5, "00:00:00.000"],
  [Number.NaN, "00:00:00.000"],
  [Number.POSITIVE_INFINITY, "9999:00:00.000"],
])("%d ms is written %s", (ms, text) => {
  expect(webVttTime(ms)).toBe(text);
});

test.each([
  ["<img src=x onerror=1>", "&lt;img src=x onerror=1&gt;"],
  ["a --> b", "a --&gt; b"],
  ["&lt;b&gt;", "&amp;lt;b&amp;gt;"],
  ["two\n\n\r\nlines\u2028more", "two lines more"],
  ["\u001b[31mred\u0000", "[31mred"],
  ["abc\u202edef", "abcdef"],
  ["👩\u200d🚀", "👩\u200d🚀"],
  [" \n ", "&nbsp;"],
])("%j comes out literally, on one line", (text, written) => {
  expect(webVttText(text)).toBe(written);
});

test("nothing in a title, a note or a text begins a cue", () => {
  const arrow = "00:00.000 --> 00:01.000\n\n00:00.000 --> 00:01.000\nboo";
  const text = webVtt({ title: arrow, notes: [arrow], cues: [{ startMs: 0, endMs: 1000, text: arrow }] });
  expect(text.match(/-->/g)).toHaveLength(1);
  expect(text.split("\n\n")).toHaveLength(3);
});

test("cues that would have no length are left out", () => {
  const cue = (startMs: number, endMs: number) => ({ startMs, endMs, text: "x" });
  const cues = [cue(5, 5), cue(5, 4), cue(5, 5.2), cue(Number.NaN, 0), cue(1e15, 2e15), cue(5, 6)];
  expect(webVtt({ cues }).match(/-->/g)).toHaveLength(1);
});
