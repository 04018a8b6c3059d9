import { expect, test } from "vitest";
import { leftOut } from "../../src/bot/finish-session.ts";

test("pictures that took too long are named", () => {
  expect(leftOut(2, 1, false)).toBe(
    "making pictures took too long, left out: 1 of 2 posters, the contact sheet",
  );
  expect(leftOut(1, 0, true)).toContain("1 of 1 poster");
  expect(leftOut(2, 2, true)).toBeUndefined();
});
