import { expect, test } from "vitest";
import { fileStem, UniqueNames } from "../../../src/sinks/recorder/names.ts";

test.each([
  ["Alice", "Alice"],
  ["../../x", "x"],
  ["..", "participant"],
  ["", "participant"],
  ["/etc/passwd", "etc-passwd"],
  ["C:\\Windows", "C-Windows"],
  ["🎥🎥", "participant"],
  ["Zoë Müller", "Zoë-Müller"],
  ["李雷", "李雷"],
  [".hidden", "hidden"],
  ["con", "participant"],
  ["a\u0000b\nc\u202ed", "a-b-c-d"],
  ["-rf", "rf"],
])("the name %j becomes the file stem %j", (name, stem) => {
  expect(fileStem(name, "participant")).toBe(stem);
});

test("three hundred characters become a stem that every file system takes, whole characters only", () => {
  for (const ch of ["x", "é", "李", "𝒜"]) {
    const stem = fileStem(ch.repeat(300), "participant");
    expect(Buffer.byteLength(stem)).toBeLessThanOrEqual(80);
    expect([...stem].every((c) => c === ch)).toBe(true);
  }
});

test("equal names, also in other case, get numbers", () => {
  const names = new UniqueNames();
  expect(["Bob", "bob", "BOB", "Bob-2"].map((n) => names.unique(n))).toEqual([
    "Bob",
    "bob-2",
    "BOB-3",
    "Bob-2-2",
  ]);
});
