import { describe, expect, test } from "vitest";
import { fitText, hueOf, initialsOf, plainName } from "../../../src/sinks/compositor/names.ts";

describe("a name on a tile", () => {
  test.each([
    ["<img src=x onerror=1>", "<img src=x onerror=1>"],
    ["%{eif:1}:x='", "%{eif:1}:x='"],
    ["\u001b[2J\u0007Ada\nLovelace", "?[2J?Ada Lovelace"],
    ["\u202emoc.evil", "?moc.evil"],
    ["  עדה   לאבלייס ", "עדה לאבלייס"],
    ["👩‍🚀 Ada 🎉", "👩‍🚀 Ada 🎉"],
    ["a\ud800b", "a?b"],
    ["e\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301"],
  ])("%j is written %j", (name, shown) => {
    expect(plainName(name)).toBe(shown);
  });

  test("of ten thousand characters is cut before anything is done with it", () => {
    expect([...plainName("🎉".repeat(10_000))]).toHaveLength(200);
    expect(plainName(" \u0301".repeat(10_000)).length).toBeLessThan(900);
  });

  test("is cut with an ellipsis where there is no room, and never into a half character", () => {
    expect(fitText("Ada", 10)).toBe("Ada");
    expect(fitText("Ada Lovelace, Countess", 8)).toMatch(/^Ada Lov.{0,4}…$/);
    for (const c of fitText("🎉".repeat(50), 8)) expect(["🎉", "…"]).toContain(c);
    expect(fitText("anything", 0)).toBe("…");
  });

  test("gives initials, where it has letters", () => {
    const names = ["Ada Lovelace", "grace", "<img src=x>", "李雷", "🎉", "", "Jean-Luc van der Berg"];
    expect(names.map(initialsOf)).toEqual(["AL", "G", "IX", "李", "", "", "JB"]);
  });

  test("has a colour of its own that stays", () => {
    expect(hueOf("Ada", 8)).toBe(hueOf("Ada", 8));
    expect(
      new Set(["Ada", "Grace", "Alan", "Edsger", "Barbara"].map((n) => hueOf(n, 8))).size,
    ).toBeGreaterThan(2);
  });
});
