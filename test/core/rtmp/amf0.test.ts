import { expect, test } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { type Amf, decodeAmf, encodeAmf, textOf } from "../../../src/core/rtmp/amf0.ts";

test("values come back as they were", () => {
  const values: Amf[] = [
    ["connect", 1, { app: "live", nested: { deep: [1, "two", null] }, yes: true }],
    [0, -1.5, 2 ** 40, "", "x".repeat(70_000), null, undefined, false],
  ].flat();
  expect(decodeAmf(encodeAmf(...values))).toEqual(values);
});

test("a command has the octets of the specification", () => {
  expect([...encodeAmf("a", 1, { k: true }, null)]).toEqual([
    ...[2, 0, 1, 0x61],
    ...[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
    ...[3, 0, 1, 0x6b, 1, 1, 0, 0, 9],
    5,
  ]);
});

test("arrays with names and dates of servers are read", () => {
  const array = [8, 0, 0, 0, 1, 0, 1, 0x6b, 2, 0, 1, 0x76, 0, 0, 9];
  const date = [0x0b, 0x40, 0x59, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(decodeAmf(Uint8Array.from([...array, ...date]))).toEqual([{ k: "v" }, 100]);
});

test("what is torn or unknown ends the values, with those before it", () => {
  const whole = encodeAmf("_error", 4, { code: "x" });
  for (let n = 0; n < whole.length; n++) {
    const values = decodeAmf(whole.slice(0, n));
    expect(values.length).toBeLessThan(3);
    expect(["_error", 4].slice(0, values.length)).toEqual(values);
  }
  expect(decodeAmf(Uint8Array.of(5, 0x11, 1, 2, 3))).toEqual([null]);
});

test("nesting and numbers of values have bounds", () => {
  const deep = Uint8Array.from({ length: 5000 }, (_, i) => [10, 0, 0, 0, 1][i % 5] ?? 0);
  expect(decodeAmf(deep)).toEqual([]);
  expect(decodeAmf(new Uint8Array(5000).fill(5)).length).toBe(1000);
  expect(decodeAmf(Uint8Array.of(10, 0xff, 0xff, 0xff, 0xff, 5, 5))).toEqual([]);
});

test("a member named like what every object has is a member", () => {
  const read = decodeAmf(encodeAmf({ constructor: "c", code: "d" }))[0];
  expect(textOf(read, "code")).toBe("d");
  expect(
    textOf(
      decodeAmf(Uint8Array.from([3, 0, 9, ...Buffer.from("__proto__"), 2, 0, 1, 0x76, 0, 0, 9]))[0],
      "code",
    ),
  ).toBe(undefined);
});

test("random octets never throw, nor take long", () => {
  const random = seededRandom(5);
  for (let i = 0; i < 2000; i++) {
    const b = Uint8Array.from({ length: randomInt(random, 80) }, () => randomInt(random, 14));
    expect(decodeAmf(b).length).toBeLessThanOrEqual(80);
  }
});
