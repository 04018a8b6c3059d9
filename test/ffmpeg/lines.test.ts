import { expect, test } from "vitest";
import { randomInt, seededRandom } from "../../src/core/random.ts";
import { LineReader } from "../../src/ffmpeg/lines.ts";

test("lines are the same wherever the pieces are cut", () => {
  const text = "frame=1\nout_time_us=40000\r\n\nstatus 1\rstatus 2\rlast";
  const random = seededRandom(3);
  for (let i = 0; i < 500; i++) {
    const reader = new LineReader();
    const lines: string[] = [];
    for (let at = 0; at < text.length; ) {
      const n = 1 + randomInt(random, 12);
      lines.push(...reader.push(text.slice(at, at + n)));
      at += n;
    }
    lines.push(...reader.end());
    expect(lines).toEqual(["frame=1", "out_time_us=40000", "status 1", "status 2", "last"]);
    expect(reader.end()).toEqual([]);
  }
});

test("a line without an end does not fill the memory", () => {
  const reader = new LineReader();
  for (let i = 0; i < 1000; i++) expect(reader.push("x".repeat(1000))).toEqual([]);
  expect(reader.end()[0]?.length).toBeLessThanOrEqual(65_536);
});
