import { expect, test } from "vitest";
import { GopQueue } from "../../../src/sinks/push/gop-queue.ts";
import { someFormat, somePicture, someSound } from "../../support/program-samples.ts";

const format = someFormat();
const times = (q: GopQueue) => {
  const out: number[] = [];
  for (let next = q.shift(); next; next = q.shift()) out.push(Math.round(next.timeMs));
  return out;
};

test("it begins with a keyframe", () => {
  const q = new GopQueue({ bytes: 1e6, ms: 5000 });
  for (const i of [8, 9, 10, 11]) q.push(somePicture(i), format);
  expect(q.dropped).toBe(2);
  expect(times(q)).toEqual([1000, 1100]);
});

test("when too long a time waits, all but the newest group of pictures goes, with its sound", () => {
  const q = new GopQueue({ bytes: 1e6, ms: 2500 });
  for (let i = 0; i <= 25; i++) {
    q.push(somePicture(i), format);
    if (i === 4) q.push(someSound(20), format);
  }
  expect(q.dropped).toBe(0);
  q.push(somePicture(26), format);
  expect(q.dropped).toBe(21);
  expect(q.first?.sample.keyframe).toBe(true);
  expect(times(q)[0]).toBe(2000);
});

test("when too many octets wait, likewise", () => {
  const q = new GopQueue({ bytes: 1500, ms: 60_000 });
  for (let i = 0; i < 16; i++) q.push(somePicture(i), format);
  expect(q.bytes).toBe(600);
  expect(times(q)).toEqual([1000, 1100, 1200, 1300, 1400, 1500]);
  expect(q.bytes).toBe(0);
});

test("a group of pictures that is too much in itself goes, and a keyframe is waited for", () => {
  const q = new GopQueue({ bytes: 500, ms: 60_000 });
  for (let i = 0; i < 10; i++) q.push(somePicture(i), format);
  expect(q.size).toBe(0);
  expect(q.dropped).toBe(10);
  q.push(somePicture(10), format);
  expect(q.size).toBe(1);
});

test("a group whose beginning has left cannot be the newest that stays", () => {
  const q = new GopQueue({ bytes: 1e6, ms: 60_000 });
  for (let i = 0; i < 5; i++) q.push(somePicture(i), format);
  q.shift();
  q.keepNewest();
  expect(q.size).toBe(0);
  q.push(somePicture(5), format);
  expect(q.size).toBe(0);
  expect(q.dropped).toBe(5);
});

test("after a break only a keyframe follows, and what waits still goes", () => {
  const q = new GopQueue({ bytes: 1e6, ms: 60_000 });
  for (let i = 0; i < 3; i++) q.push(somePicture(i), format);
  q.breakOff();
  for (let i = 8; i < 12; i++) q.push(somePicture(i), format);
  expect(times(q)).toEqual([0, 100, 200, 1000, 1100]);
});

test("memory stays bounded over a long time, and order stays", () => {
  const q = new GopQueue({ bytes: 1e6, ms: 60_000 });
  const out: number[] = [];
  for (let i = 0; i < 5000; i++) {
    q.push(somePicture(i), format);
    const next = i > 3 ? q.shift() : undefined;
    if (next) out.push(next.timeMs / 100);
  }
  expect(q.size).toBe(4);
  expect(out).toEqual(Array.from({ length: 4996 }, (_, i) => i));
});
