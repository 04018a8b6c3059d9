import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RoomtapError } from "../../../src/core/fault.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { BlockWriter } from "../../../src/sinks/recorder/block-writer.ts";
import { MediaFile } from "../../../src/sinks/recorder/media-file.ts";
import { blocksOf, readEvents } from "../../support/matroska.ts";
import { until } from "../../support/until.ts";
import { ms, pictureAt, soundAt } from "./session.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomtap-writer-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const never = (error: RoomtapError) => {
  throw error;
};
/** Descriptors of this process that are open on a file. */
const descriptorsOf = (path: string) =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;

test("pieces and patches of earlier places land where they belong, in any order of size", async () => {
  const random = seededRandom(3);
  const path = join(folder, "pieces");
  const writer = new BlockWriter(path, never);
  const expected = new Uint8Array(300_000);
  for (let at = 0; at < 300_000; ) {
    const bytes = new Uint8Array(Math.min(1 + randomInt(random, 4000), 300_000 - at)).fill(
      randomInt(random, 256),
    );
    expected.set(bytes, at);
    writer.push([{ at, bytes }]);
    at += bytes.length;
    if (random() < 0.1) {
      const patch = { at: randomInt(random, at), bytes: Uint8Array.of(1) };
      expected.set(patch.bytes, patch.at);
      writer.push([patch]);
    }
    if (random() < 0.1) await writer.drained();
  }
  await writer.close();
  expect(new Uint8Array(readFileSync(path)).every((b, i) => b === expected[i])).toBe(true);
});

test("a file that exists is not overwritten", () => {
  const path = join(folder, "there");
  writeFileSync(path, "mine");
  expect(() => new BlockWriter(path, never)).toThrow(expect.objectContaining({ code: "output-unwritable" }));
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test("closing twice, and pushing afterwards, does no harm", async () => {
  const path = join(folder, "twice");
  const writer = new BlockWriter(path, never);
  expect(descriptorsOf(path)).toBe(1);
  writer.push([{ at: 0, bytes: new Uint8Array(10) }]);
  const both = Promise.all([writer.close(), writer.close()]);
  writer.push([{ at: 10, bytes: new Uint8Array(10) }]);
  await both;
  writer.push([{ at: 10, bytes: new Uint8Array(10) }]);
  await writer.close();
  expect(readFileSync(path)).toHaveLength(10);
  expect(descriptorsOf(path)).toBe(0);
});

test("a full disk is said once, and nothing waits for it", async () => {
  const failures: RoomtapError[] = [];
  const writer = new BlockWriter("/dev/full", (error) => failures.push(error), "r+");
  for (let i = 0; i < 50; i++) writer.push([{ at: i * 2, bytes: new Uint8Array(1) }]);
  await writer.drained();
  writer.push([{ at: 0, bytes: new Uint8Array(1) }]);
  await writer.close();
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatchObject({ code: "disk-full", exitCode: 5 });
  expect(failures[0]?.hint).toMatch(/--out/);
  expect(writer.failed).toBe(true);
  expect(descriptorsOf("/dev/full")).toBe(0);
});

test("more than 64 MiB do not wait", async () => {
  const writer = new BlockWriter("/dev/null", never, "r+");
  const bytes = new Uint8Array(1 << 20);
  let pushed = 0;
  for (; !writer.full; pushed++) writer.push([{ at: pushed * 2, bytes }]);
  expect(pushed).toBe(65);
  await writer.drained();
  expect(writer.full).toBe(false);
  await writer.close();
});

test("a disk that cannot follow costs whole pictures up to a keyframe, while the sound goes on", async () => {
  const path = join(folder, "slow.webm");
  const file = MediaFile.create({
    id: "0-1",
    path,
    docType: "webm",
    startUs: ms(0),
    onFailure: never,
    opened: {
      t: "file-open",
      id: "0-1",
      temp: "slow.webm",
      stem: "slow",
      format: "webm",
      participant: "",
      participantId: "",
      source: "camera",
      startMs: 0,
    },
  });
  const first = pictureAt(0, [640, 360]);
  const [video, audio] = [1, 2];
  file.addTrack(video, "vp8", first);
  file.addTrack(audio, "opus", soundAt(0));
  expect(file.block(video, ms(0), first)).toBe(true);
  const large = new Uint8Array(1 << 20);
  // Nothing is written while this loop runs: the queue fills.
  let lost = 40;
  while (file.block(video, ms(lost), { ...pictureAt(lost), data: large })) lost += 40;
  expect(file.block(audio, ms(lost), soundAt(lost))).toBe(false);
  await until("the disk", () => !file.full);
  expect(file.block(audio, ms(lost + 40), soundAt(lost + 40))).toBe(true);
  // The sound is back, but this picture refers to the lost one.
  expect(file.block(video, ms(lost + 40), pictureAt(lost + 40))).toBe(false);
  expect(file.block(video, ms(lost + 80), pictureAt(lost + 80, [640, 360]))).toBe(true);
  expect(file.block(video, ms(lost + 120), pictureAt(lost + 120))).toBe(true);
  expect((await file.finish()).whole).toBe(true);
  const blocks = blocksOf(readEvents(new Uint8Array(readFileSync(path)), seededRandom(1), 1 << 20));
  const after = blocks.filter((b) => b.timeMs >= lost);
  expect(after.map((b) => [b.track, b.timeMs])).toEqual([
    [audio, lost + 40],
    [video, lost + 80],
    [video, lost + 120],
  ]);
});
