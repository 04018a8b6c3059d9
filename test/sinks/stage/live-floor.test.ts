import { describe, expect, test } from "vitest";
import { LiveFloor } from "../../../src/sinks/stage/live-floor.ts";

/** Who has the floor over time, as changes: `says(second)` are those who speak. */
function turns(seconds: number, says: (s: number) => string, there: (s: number) => string = () => "abc") {
  const floor = new LiveFloor();
  const out: [number, string | undefined][] = [];
  for (let ms = 0; ms < seconds * 1000; ms += 100) {
    const s = ms / 1000;
    floor.update(
      ms,
      [...there(s)].map((id) => ({ id, speaking: says(s).includes(id) })),
    );
    if (out.at(-1)?.[1] !== floor.holder) out.push([s, floor.holder]);
  }
  return out;
}

describe("whose picture is large", () => {
  test("nobody speaks: the first who is there", () => {
    expect(turns(10, () => "")).toEqual([[0, "a"]]);
  });

  test("another speaks for long enough: they have the floor", () => {
    expect(turns(10, (s) => (s >= 5 ? "b" : ""))).toEqual([
      [0, "a"],
      [5.7, "b"],
    ]);
  });

  test("a word in between changes nothing", () => {
    expect(turns(20, (s) => (s % 3 < 0.6 ? "b" : ""))).toEqual([[0, "a"]]);
  });

  test("who has the floor keeps it while speaking, whoever else does", () => {
    expect(turns(20, (s) => (s < 12 ? "abc" : "bc"))).toEqual([
      [0, "a"],
      [12, "b"],
    ]);
  });

  test("nobody loses it at once", () => {
    const found = turns(20, (s) => (s % 2 < 1 ? "b" : "c"));
    for (const [i, [at]] of found.entries())
      if (i > 0) expect(at - (found[i - 1]?.[0] ?? 0)).toBeGreaterThanOrEqual(2.5);
    expect(found.length).toBeGreaterThan(3);
  });

  test("who leaves is followed by who speaks, else by the first", () => {
    const leaving = (s: number) => (s < 4 ? "abc" : s < 8 ? "bc" : s < 12 ? "b" : "");
    expect(turns(16, (s) => (s > 1 ? "c" : "a"), leaving)).toEqual([
      [0, "a"],
      [2.5, "c"],
      [8, "b"],
      [12, undefined],
    ]);
  });
});
