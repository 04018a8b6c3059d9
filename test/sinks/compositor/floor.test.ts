import { describe, expect, test } from "vitest";
import { floorOf } from "../../../src/sinks/compositor/floor.ts";

const part = { fromMs: 0, toMs: 60_000 };

/** Turns of people who speak at these times, seconds. */
function turns(speech: Readonly<Record<string, readonly (readonly [number, number])[]>>): string[] {
  const members = Object.entries(speech).map(([id, list]) => ({
    id,
    present: [part],
    speaking: list.map(([from, to]) => ({ fromMs: from * 1000, toMs: to * 1000 })),
  }));
  return floorOf(members, part).map((t) => `${t.id}@${t.atMs / 1000}`);
}

describe("who has the floor", () => {
  test("is who speaks, from the first word on", () => {
    expect(turns({ a: [[1, 5]], b: [[6, 9]] })).toEqual(["a@1", "b@6"]);
  });

  test("keeps it through silence", () => {
    expect(
      turns({
        a: [
          [1, 5],
          [20, 25],
        ],
      }),
    ).toEqual(["a@1"]);
  });

  test("keeps it for the short answers of others", () => {
    const b = [
      [3, 3.5],
      [6, 7],
      [9, 9.8],
    ] as const;
    expect(
      turns({
        a: [
          [1, 5],
          [7, 12],
        ],
        b,
      }),
    ).toEqual(["a@1"]);
  });

  test("keeps it while another speaks as well, and gives it to who goes on", () => {
    expect(turns({ a: [[1, 5]], b: [[3, 10]] })).toEqual(["a@1", "b@5"]);
  });

  test("gives it to nobody who is about to stop", () => {
    expect(turns({ a: [[1, 5]], b: [[3, 5.5]], c: [[7, 10]] })).toEqual(["a@1", "c@7"]);
  });

  test("has it for a while, however fast the others are", () => {
    const found = turns({ a: [[1, 2.3]], b: [[2.4, 8]] });
    expect(found).toEqual(["a@1", "b@3.5"]);
  });

  test("is, of those who wait, who has most to say", () => {
    expect(turns({ a: [[1, 5]], b: [[3, 7]], c: [[4, 12]] })).toEqual(["a@1", "c@5"]);
  });

  test("does not jump to and fro in a quarrel", () => {
    const a = Array.from({ length: 25 }, (_, i) => [2 * i, 2 * i + 1.3] as const);
    const b = Array.from({ length: 25 }, (_, i) => [2 * i + 1, 2 * i + 2.3] as const);
    const at = turns({ a, b }).map((t) => Number(t.split("@")[1]));
    for (const [i, t] of at.entries()) if (i > 0) expect(t - (at[i - 1] ?? 0)).toBeGreaterThanOrEqual(2.5);
  });
});
