import { describe, expect, it } from "vitest";
import {
  formatBitrate,
  formatBytes,
  formatElapsed,
  parseDuration,
  parsePort,
  parseSeed,
  parseSegment,
  parseShare,
  parseSize,
  shown,
} from "../../src/cli/units.ts";

describe("what people write", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["30", 30_000],
    ["1.5m", 90_000],
    ["2h", 7_200_000],
    [" 5s ", 5000],
  ])("reads the duration %j", (text, ms) => expect(parseDuration(text)).toBe(ms));

  it("says how long a duration may be", () => {
    expect(() => parseDuration("1000h")).toThrow(usage("720h"));
  });

  it("takes segments of a second and more", () => {
    expect(parseSegment("1s")).toBe(1000);
    expect(() => parseSegment("10ms")).toThrow(usage("1s"));
  });

  it.each(["", "s", "0s", "-5s", "5 s", "5d", "1e3", "1.s", "Infinity", "31d", "5s5s"])(
    "refuses the duration %j",
    (text) => expect(() => parseDuration(text)).toThrow(usage("500ms")),
  );

  it.each([
    ["64k", 64_000],
    ["2M", 2_000_000],
    ["2.5m", 2_500_000],
    ["1G", 1e9],
    ["800", 800],
  ])("reads the size %j", (text, n) => expect(parseSize(text)).toBe(n));

  it.each(["", "k", "0", "-1k", "1 k", "64kb", "1e6", "NaN", "9999999G"])("refuses the size %j", (text) =>
    expect(() => parseSize(text)).toThrow(usage("64k")),
  );

  it.each([
    ["0", 0],
    ["443", 443],
    ["65535", 65_535],
  ])("reads the port %j", (text, n) => expect(parsePort(text)).toBe(n));

  it.each(["", "65536", "-1", "80a", "0x50", "8e3", "1.5"])("refuses the port %j", (text) =>
    expect(() => parsePort(text)).toThrow(usage("65535")),
  );
});

describe("what people read", () => {
  it.each([
    [0, "0:00"],
    [59_999, "0:59"],
    [60_000, "1:00"],
    [3_599_000, "59:59"],
    [3_723_000, "1:02:03"],
    [100 * 3_600_000, "100:00:00"],
  ])("shows %i ms as %s", (ms, text) => expect(formatElapsed(ms)).toBe(text));

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [999_499, "999 kB"],
    [999_999, "1.0 MB"],
    [1_500_000, "1.5 MB"],
    [999_999_999, "1.00 GB"],
    [2_340_000_000, "2.34 GB"],
  ])("shows %i octets as %s", (n, text) => expect(formatBytes(n)).toBe(text));

  it.each([
    [0, "0 kbit/s"],
    [64_400, "64 kbit/s"],
    [999_999, "1.00 Mbit/s"],
    [1_700_000, "1.70 Mbit/s"],
  ])("shows %i bit/s as %s", (n, text) => expect(formatBitrate(n)).toBe(text));

  it("shows nothing that moves a terminal's cursor or turns text around", () => {
    expect(shown("a\u001b[31m\u0007\u009b\n\tb\u202e\u2066c\u007f")).toBe("a?[31m????b??c?");
    expect(shown("x".repeat(200))).toHaveLength(80);
    expect(shown("\u2028\u2029\u200e\u200f\u061c\ufeff")).toBe("??????");
    expect(shown("Zoë 👩‍💻 日本")).toBe("Zoë 👩‍💻 日本");
  });

  it("cuts no character in half", () => {
    expect(shown(`${"x".repeat(79)}😀`)).toBe(`${"x".repeat(79)}😀`);
  });
});

function usage(hint: string) {
  return expect.objectContaining({ code: "usage", exitCode: 2, hint: expect.stringContaining(hint) });
}

it.each([
  ["5%", 0.05],
  ["0.05", 0.05],
  ["0", 0],
  ["99.9%", 0.999],
])("%s is a share", (text, value) => {
  expect(parseShare(text)).toBeCloseTo(value, 10);
});

it.each(["", "100%", "1", "-5%", "5 %", "half", "1e-3"])("%j is no share", (text) => {
  expect(() => parseShare(text)).toThrow(/not a share/);
});

it("a seed is a whole number of 32 bits", () => {
  expect([parseSeed("0"), parseSeed("7"), parseSeed("4294967295")]).toEqual([0, 7, 4_294_967_295]);
  for (const text of ["", "-1", "1.5", "4294967296", "seven"])
    expect(() => parseSeed(text)).toThrow(/not a seed/);
});
