import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MatroskaWriter } from "../../../src/core/containers/matroska/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { finishTornFile, readTornFile } from "../../../src/sinks/recorder/torn-file.ts";
import { blocksOf, MemoryFile, readBack, readEvents, writeFile } from "../../support/matroska.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "roomtap-torn-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const open = writeFile(8, { finish: false }).file.bytes;
const finished = writeFile(8).file.bytes;
const clusters = readEvents(open).flatMap((e) => (e.t === "cluster" ? [e.at] : []));

/** Writes octets to disk, repairs them there, and returns what is in the file then. */
async function repaired(bytes: Uint8Array) {
  const path = join(directory, "a.webm");
  writeFileSync(path, bytes);
  const torn = await readTornFile(path);
  if (torn.scan && !torn.scan.finished) await finishTornFile(path, torn.scan);
  return { torn, bytes: new Uint8Array(readFileSync(path)) };
}

test("a finished file is seen to be so, and one that lacks anything of its end is not", async () => {
  expect((await repaired(finished)).torn.scan?.finished).toBe(true);
  expect((await repaired(open)).torn.scan?.finished).toBe(false);
  expect((await repaired(finished.slice(0, -1))).torn.scan?.finished).toBe(false);
});

test("zeros where the disk lost a part cost that part and nothing behind it", async () => {
  const random = seededRandom(5);
  for (let i = 0; i < 20; i++) {
    const from = (clusters[0] ?? 0) + randomInt(random, open.length - (clusters[0] ?? 0) - 40);
    const to = Math.min(open.length, from + 1 + randomInt(random, 20_000));
    const damaged = open.slice().fill(0, from, to);
    const { torn, bytes } = await repaired(damaged);
    const next = clusters.find((at) => at >= to) ?? Number.POSITIVE_INFINITY;
    const whole = blocksOf(readEvents(open));
    const kept = blocksOf(readEvents(bytes));
    // What is before the hole, and from the next cluster on; a hole inside a frame may stay unseen.
    const there = new Set(kept.map((b) => `${b.track} ${b.timeMs} ${b.offset}`));
    const safe = whole.filter((b) => b.end <= from || b.offset > next);
    expect(safe.filter((b) => !there.has(`${b.track} ${b.timeMs} ${b.offset}`))).toEqual([]);
    expect(kept.length).toBeLessThanOrEqual(whole.length);
    if (torn.scan && torn.scan.damaged > 0) expect(torn.scan.damaged).toBeGreaterThanOrEqual(2);
    // An independent reader gets past it as well, to the same end.
    const { tracks } = await readBack(bytes);
    expect(tracks.reduce((n, t) => n + t.packets.length, 0)).toBe(kept.length);
  }
});

test("a block that claims more than the file has does not hide what comes after it", async () => {
  const second = blocksOf(readEvents(open)).find((b) => b.offset > (clusters[1] ?? 0));
  const damaged = open.slice();
  // The size of the block, of one octet, becomes the beginning of one of eight.
  damaged.set([0x01, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff], (second?.offset ?? 0) - 5);
  const { torn, bytes } = await repaired(damaged);
  expect(torn.scan?.damaged).toBeGreaterThan(0);
  const kept = blocksOf(readEvents(bytes));
  const behind = blocksOf(readEvents(open)).filter((b) => b.offset > (clusters[2] ?? 0));
  expect(behind.length).toBeGreaterThan(100);
  expect(kept.slice(-behind.length)).toEqual(behind);
});

test("a repair that is interrupted anywhere, also in the middle of a write, is completed by the next", async () => {
  const cut = open.length - 7;
  const { torn, bytes: expected } = await repaired(open.slice(0, cut));
  if (!torn.scan) throw new Error("nothing to repair");
  const patches = MatroskaWriter.resume(torn.scan.docType, torn.scan).finish();
  for (let whole = 0; whole <= patches.length; whole++) {
    for (const half of [false, true]) {
      const file = new MemoryFile();
      file.bytes = open.slice(0, torn.scan.length);
      file.apply(patches.slice(0, whole));
      const next = patches[whole];
      if (half && next) file.apply([{ at: next.at, bytes: next.bytes.slice(0, next.bytes.length / 2) }]);
      const again = await repaired(file.bytes);
      expect(Buffer.compare(again.bytes, expected), `${whole} patches`).toBe(0);
    }
  }
});

test("what is no file of ours is refused, and not changed", async () => {
  const path = join(directory, "b.webm");
  const foreign = finished.slice();
  const name = Buffer.from(foreign).indexOf("roomtap");
  foreign.set(Buffer.from("another"), name);
  foreign.set(Buffer.from("another"), Buffer.from(foreign).indexOf("roomtap"));
  for (const bytes of [foreign, new Uint8Array(50_000), seededBytes(50_000), finished.slice(1)]) {
    writeFileSync(path, bytes);
    await expect(readTornFile(path)).rejects.toMatchObject({ code: "incomplete" });
    expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
  }
});

test("a file cut at any octet is repaired or empty, never an error", async () => {
  const path = join(directory, "c.webm");
  const random = seededRandom(9);
  for (let i = 0; i < 60; i++) {
    writeFileSync(path, open);
    truncateSync(path, i < 20 ? i * 211 : randomInt(random, open.length));
    const torn = await readTornFile(path);
    expect(torn.empty).toBe(torn.scan === undefined);
  }
});

function seededBytes(n: number): Uint8Array {
  const random = seededRandom(4);
  return Uint8Array.from({ length: n }, () => randomInt(random, 256));
}

test("what is short and somebody else's is not called empty; what a power failure leaves of a header is", async () => {
  for (const text of ["hello", "#EXTM3U\n", "{}"]) {
    await expect(repaired(Buffer.from(text))).rejects.toMatchObject({ code: "incomplete" });
  }
  for (const bytes of [new Uint8Array(0), new Uint8Array(2000), open.slice(0, 3), open.slice(0, 90)]) {
    expect((await repaired(bytes)).torn).toMatchObject({ scan: undefined, empty: true });
  }
});
