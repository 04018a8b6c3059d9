import { expect, test } from "vitest";
import { MatroskaScanner } from "../../../src/core/containers/matroska/scan.ts";
import { MatroskaWriter } from "../../../src/core/containers/matroska/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import {
  audioTrack,
  blocksOf,
  keyframe,
  MemoryFile,
  readBack,
  readEvents,
  sound,
  videoTrack,
  writeFile,
} from "../../support/matroska.ts";

function scan(bytes: Uint8Array) {
  const scanner = new MatroskaScanner();
  scanner.push(bytes);
  return scanner.result();
}

/** What recovery does with a file. */
function repair(torn: Uint8Array): Uint8Array | undefined {
  const found = scan(torn);
  if (!found) return undefined;
  const fixed = new MemoryFile();
  fixed.bytes = torn.slice(0, found.length);
  fixed.apply(MatroskaWriter.resume(found.docType, found).finish());
  return fixed.bytes;
}

const open = writeFile(5, { finish: false }).file.bytes;
const all = blocksOf(readEvents(open));

test("a file cut at any octet loses its torn tail and nothing else", () => {
  const clusterStarts = readEvents(open).flatMap((e) => (e.t === "cluster" ? [e.at] : []));
  const regions = [clusterStarts[0] ?? 0, clusterStarts[1] ?? 0, clusterStarts[2] ?? 0, open.length - 60];
  for (const from of regions) {
    for (let cut = from - 10; cut < Math.min(from + 70, open.length + 1); cut++) {
      const kept = all.filter((b) => b.end <= cut);
      const fixed = repair(open.slice(0, cut));
      if (kept.length === 0) {
        expect(fixed).toBeUndefined();
        continue;
      }
      if (!fixed) throw new Error(`nothing kept of ${cut} octets`);
      const events = readEvents(fixed);
      expect(blocksOf(events)).toEqual(kept);
      // Every cluster says where it ends, so that nothing behind the last one is taken for a part of it.
      const clusters = events.filter((e) => e.t === "cluster");
      for (const [i, c] of clusters.entries()) {
        expect(c.end).toBe(clusters[i + 1]?.at ?? blocksOf(events).at(-1)?.end);
      }
    }
  }
});

test("a repaired file plays for an independent reader, with cues and the right length", async () => {
  const random = seededRandom(8);
  for (let i = 0; i < 10; i++) {
    const cut = 5000 + randomInt(random, open.length - 5000);
    const kept = all.filter((b) => b.end <= cut);
    const { input, tracks, duration } = await readBack(repair(open.slice(0, cut)) ?? new Uint8Array(0));
    expect(tracks.reduce((n, t) => n + t.packets.length, 0)).toBe(kept.length);
    expect(Math.abs(duration * 1000 - (kept.at(-1)?.timeMs ?? 0))).toBeLessThanOrEqual(40);
    expect(await input.getDurationFromMetadata()).toBeCloseTo(duration, 1);
  }
});

test("a finished file is found whole, and finishing it again changes nothing", () => {
  const { file } = writeFile(5);
  const found = scan(file.bytes);
  expect(found?.counts).toEqual(
    new Map([
      [1, { frames: 125, lastMs: 4960 }],
      [2, { frames: 250, lastMs: 4980 }],
    ]),
  );
  const again = repair(file.bytes);
  expect(again?.length).toBe(file.bytes.length);
  expect(repair(again ?? new Uint8Array(0))).toEqual(again);
});

test("a file whose recorder died while finishing it is repaired, wherever that was", () => {
  const { writer } = writeFile(5, { finish: false });
  const patches = writer.finish();
  for (let n = 0; n <= patches.length; n++) {
    const file = new MemoryFile();
    file.bytes = open.slice();
    file.apply(patches.slice(0, n));
    expect(blocksOf(readEvents(repair(file.bytes) ?? new Uint8Array(0)))).toEqual(all);
  }
});

test("what a header says of its tracks survives the repair", async () => {
  const tracks = [
    { ...videoTrack, codecId: "V_MPEG4/ISO/AVC", codecPrivate: new Uint8Array(9000), rotation: 270 as const },
    audioTrack,
  ];
  const file = new MemoryFile();
  const writer = new MatroskaWriter("matroska", tracks);
  file.apply([writer.header()]);
  for (let t = 0; t < 1000; t += 20) {
    file.apply(writer.block(1, t, 20, t === 0, keyframe(t)));
    file.apply(writer.block(2, t, 20, true, sound(t)));
  }
  const fixed = repair(file.bytes);
  const events = readEvents(fixed ?? new Uint8Array(0));
  expect(events.find((e) => e.t === "tracks")?.tracks).toEqual(tracks);
  expect(blocksOf(events)).toHaveLength(100);
});

test("zeros at the end, as a power cut leaves them, are cut off", () => {
  const torn = new Uint8Array(open.length + 5000);
  torn.set(open);
  expect(scan(torn)?.length).toBe(open.length);
});

test("a header alone is known to be empty; anything else is not", () => {
  const empty = new MatroskaScanner();
  empty.push(new MatroskaWriter("webm", [videoTrack]).header().bytes);
  expect(empty.result()).toBeUndefined();
  expect(empty.known).toBe(true);
  const strange = new MatroskaScanner();
  strange.push(new Uint8Array(100_000).fill(0x55));
  expect(strange.result()).toBeUndefined();
  expect(strange.known).toBe(false);
});
