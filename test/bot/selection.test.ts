import { expect, test } from "vitest";
import { checkRule, selects } from "../../src/bot/selection.ts";
import type { Candidate } from "../../src/core/room.ts";

const camera: Candidate = { name: "Ann Smith", kind: "video", source: "camera" };
const microphone: Candidate = { name: "Ann Smith", kind: "audio", source: "microphone" };
const screen: Candidate = { name: "Bob", kind: "video", source: "screen" };

const of = (include: string[], exclude: string[] = []) =>
  [camera, microphone, screen].map((c) => selects({ include, exclude }, c));

test.each([
  [[], [], [true, true, true]],
  [["audio"], [], [false, true, false]],
  [["ann smith"], [], [true, true, false]],
  [["ann*", "bob"], ["screen"], [true, true, false]],
  [["ann*", "audio"], [], [false, true, false]],
  [["camera", "screen"], [], [true, false, true]],
  [[], ["*smith"], [false, false, true]],
  [[], ["video"], [false, true, false]],
  [["?ob"], [], [false, false, true]],
  [["name:video"], [], [false, false, false]],
] as const)(
  "including %j and excluding %j leaves camera, microphone, screen: %j",
  (include, exclude, left) => {
    expect(of([...include], [...exclude])).toEqual(left);
  },
);

test("a participant who is called like a kind of media can be named", () => {
  expect(selects({ include: ["name:video"], exclude: [] }, { ...microphone, name: "video" })).toBe(true);
});

test("no pattern and no name make the search slow", () => {
  const name = "a".repeat(20_000);
  expect(selects({ include: [`${"*a".repeat(90)}*b`], exclude: [] }, { ...camera, name })).toBe(false);
});

test.each(["", "name:", "x".repeat(300)])("the rule %j is refused", (rule) => {
  expect(() => checkRule(rule)).toThrow(expect.objectContaining({ code: "usage" }));
});
