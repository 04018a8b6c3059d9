import { expect, test } from "vitest";
import { nothingHint } from "../../src/cli/commands/record.ts";
import { progressLine } from "../../src/cli/commands/render.ts";

test("a recording without media names the options that may have left everything out", () => {
  expect(nothingHint({ format: "auto" })).toContain("camera or microphone");
  expect(nothingHint({ format: "ogg", include: ["video"] })).toContain("--include and --format ogg");
  expect(nothingHint({ participant: "Zed" })).toContain("--participant");
});

test("rendering says how fast it is once that is known", () => {
  expect(progressLine({ doneMs: 40, totalMs: 8000, speed: 0.03 })).toBe("● rendering 0:00 of 0:08  0 %");
  expect(progressLine({ doneMs: 4000, totalMs: 8000, speed: 2 })).toBe(
    "● rendering 0:04 of 0:08  50 %  2.0 x real time, 0:02 left",
  );
});
