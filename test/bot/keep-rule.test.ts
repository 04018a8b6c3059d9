import { expect, test } from "vitest";
import { parseKeep } from "../../src/bot/keep-rule.ts";

test.each([
  ["7d", { age: { ms: 604_800_000, text: "7d" } }],
  ["2w", { age: { ms: 1_209_600_000, text: "2w" } }],
  ["1.5h", { age: { ms: 5_400_000, text: "1.5h" } }],
  ["30min", { age: { ms: 1_800_000, text: "30min" } }],
  ["90s", { age: { ms: 90_000, text: "90s" } }],
  ["50G", { size: { bytes: 50e9, text: "50G" } }],
  ["50g", { size: { bytes: 50e9, text: "50g" } }],
  ["500MB", { size: { bytes: 500e6, text: "500MB" } }],
  ["500M", { size: { bytes: 500e6, text: "500M" } }],
  ["0.5T", { size: { bytes: 0.5e12, text: "0.5T" } }],
  ["7d,50G", { age: { ms: 604_800_000, text: "7d" }, size: { bytes: 50e9, text: "50G" } }],
  [" 50G , 7d ", { age: { ms: 604_800_000, text: "7d" }, size: { bytes: 50e9, text: "50G" } }],
])("%s is understood", (text, rule) => {
  expect(parseKeep(text)).toEqual(rule);
});

test("an option that is repeated adds to what was said before", () => {
  expect(parseKeep("50G", parseKeep("7d"))).toEqual(parseKeep("7d,50G"));
});

test.each(["30", "30m"])("%s could be minutes or megabytes, and is refused", (text) => {
  expect(() => parseKeep(text)).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining("30min, h, d or w") }),
  );
});

test.each(["", "d", "7 d", "-7d", "7d;50G", "7d,", "1e3G", "7D", "$(x)d", "Infinityd"])(
  "%j is refused with an example",
  (text) => {
    expect(() => parseKeep(text)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("7d") }),
    );
  },
);

test("nothing, and more than anybody means, is refused", () => {
  for (const text of ["0d", "0G", "99999d", "2000T"])
    expect(() => parseKeep(text)).toThrow(
      expect.objectContaining({ message: `out of range: --keep ${text}` }),
    );
});

test("two ages or two sizes are refused", () => {
  expect(() => parseKeep("7d,1h")).toThrow("--keep says both 7d and 1h");
  expect(() => parseKeep("1T", parseKeep("50G"))).toThrow("--keep says both 50G and 1T");
});
