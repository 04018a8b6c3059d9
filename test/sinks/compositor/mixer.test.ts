import { describe, expect, test } from "vitest";
import { Mixer } from "../../../src/sinks/compositor/mixer.ts";

function samples(bytes: Uint8Array): Int16Array {
  return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
}

function mixed(mixer: Mixer, length: number, ...voices: readonly Int16Array[]): Int16Array {
  mixer.begin(length);
  for (const v of voices) mixer.add(v, v.length, 0);
  return samples(mixer.end());
}

describe("voices together", () => {
  test("one alone passes unchanged, its loudest sample included", () => {
    const voice = Int16Array.from({ length: 1000 }, (_, i) => Math.round(32_767 * Math.sin(i / 7)));
    expect(mixed(new Mixer(), 1000, voice)).toEqual(voice);
  });

  test("two add up, and start where they belong", () => {
    const mixer = new Mixer();
    mixer.begin(8);
    mixer.add(Int16Array.of(1, 2, 3, 4), 4, 0);
    mixer.add(Int16Array.of(10, 20, 30, 40), 4, 2);
    expect([...samples(mixer.end())]).toEqual([1, 2, 13, 24, 30, 40, 0, 0]);
  });

  test("thirty who shout never wrap around, and what is said after them comes back to its loudness", () => {
    const mixer = new Mixer();
    const loud = new Int16Array(200).fill(-32_768);
    const out = mixed(mixer, 200, ...Array.from({ length: 30 }, () => loud));
    expect(Math.max(...out)).toBeLessThan(0);
    expect(Math.min(...out)).toBeGreaterThanOrEqual(-32_768);
    const quiet = new Int16Array(4800).fill(1000);
    expect(mixed(mixer, 4800, quiet)[0]).toBeLessThan(100);
    for (let i = 0; i < 60; i++) mixed(mixer, 4800, quiet);
    expect(mixed(mixer, 4800, quiet)[0]).toBeGreaterThan(990);
  });

  test("a piece without anybody is silence", () => {
    expect([...mixed(new Mixer(), 4)]).toEqual([0, 0, 0, 0]);
  });
});
