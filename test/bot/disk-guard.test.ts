import { appendFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkDisk, type DiskSpace, type DiskUse, DiskWatch, diskSpace } from "../../src/bot/disk-guard.ts";
import type { RoomtapError } from "../../src/core/fault.ts";
import { millis } from "../../src/core/time.ts";
import { mountUnavailable, tinyDisk } from "../support/tiny-disk.ts";

const disk =
  (available: number, total = 500e9) =>
  async () => ({ available, total });
const MB = 1e6;

describe("before the recording", () => {
  const need = { maxBitrate: 4_000_000 };

  test("a disk with room is fine, and so is one that does not say", async () => {
    expect(await checkDisk("/d", need, disk(200 * MB))).toBeUndefined();
    expect(await checkDisk("/d", need, async () => undefined)).toBeUndefined();
  });

  test("little room is said, and too little is refused", async () => {
    expect(await checkDisk("/d", need, disk(60 * MB))).toBe("only 60 MB are free in /d");
    await expect(checkDisk("/d", need, disk(15 * MB))).rejects.toMatchObject({
      code: "disk-full",
      exitCode: 5,
      message: "only 15 MB are free in /d",
    });
  });

  test("a known duration is held against the room, with a second copy where files are converted", async () => {
    const hour = { ...need, durationMs: 3_600_000 };
    expect(await checkDisk("/d", hour, disk(2000 * MB))).toBeUndefined();
    expect(await checkDisk("/d", { ...hour, copies: 2 }, disk(2000 * MB))).toContain(
      "one participant at --max-bitrate takes 3.7 GB",
    );
    // A warning, no refusal: most recordings stay far below the ceiling.
    expect(await checkDisk("/d", hour, disk(200 * MB))).toContain("only 200 MB are free");
  });

  test("what is short enough needs no hundred megabytes", async () => {
    const short = { ...need, durationMs: 3000 };
    expect(await checkDisk("/d", short, disk(20 * MB))).toBeUndefined();
    await expect(checkDisk("/d", short, disk(MB))).rejects.toMatchObject({ code: "disk-full" });
  });

  test("a tiny disk that is empty is used, one that is full is not", async () => {
    expect(await checkDisk("/d", need, disk(4 * MB, 4 * MB))).toBe("only 4 MB are free in /d");
    await expect(checkDisk("/d", need, disk(0.4 * MB, 4 * MB))).rejects.toMatchObject({ code: "disk-full" });
  });

  test("a directory that is not there yet is judged by the one it will be in", async () => {
    const known = await diskSpace(tmpdir());
    expect(known?.total).toBeGreaterThan(0);
    expect((await diskSpace(join(tmpdir(), "not", "yet", "there")))?.total).toBe(known?.total);
  });
});

/** A disk and a recording on it, second by second. */
class Recorded {
  readonly said: string[] = [];
  readonly ends: RoomtapError[] = [];
  readonly watch: DiskWatch;
  space: DiskSpace | undefined;
  written = 0;
  now = 0;

  constructor(available: number, total = available) {
    this.space = { available, total };
    this.watch = new DiskWatch({
      directory: "/d",
      onShort: (text) => this.said.push(text),
      onFull: (error) => this.ends.push(error),
      ask: async () => this.space,
    });
  }

  /** Records, and lets others write, for some seconds or until it has to stop. */
  async seconds(n: number, rate: number, o: { others?: number } & Partial<DiskUse> = {}): Promise<void> {
    for (let i = 0; i < n && this.ends.length === 0; i++) {
      this.now += 1000;
      this.written += rate;
      if (this.space)
        this.space = { ...this.space, available: this.space.available - rate - (o.others ?? 0) };
      await this.watch.check(millis(this.now), { written: this.written, files: 1, ...o });
    }
  }
}

describe("while recording", () => {
  test("the room left is told as a time, once the rate is known", async () => {
    const r = new Recorded(100e9);
    await r.seconds(2, MB);
    expect(r.watch.status).toEqual({ availableBytes: 100e9 - 2 * MB });
    await r.seconds(20, MB);
    expect(r.watch.status?.headroomMs).toBeGreaterThan(99e6);
    expect(r.watch.status?.headroomMs).toBeLessThan(101e6);
    expect(r.said).toEqual([]);
  });

  test("it is said once that five minutes are left, and the end comes before the disk is full", async () => {
    const r = new Recorded(1000 * MB);
    await r.seconds(600, MB);
    expect(r.said).toEqual([]);
    await r.seconds(300, MB);
    expect(r.said).toEqual([
      expect.stringMatching(/^the disk is full in about 5 min at the present rate \(30\d MB are free\)/),
    ]);
    await r.seconds(1000, MB);
    expect(r.said).toHaveLength(1);
    expect(r.ends).toHaveLength(1);
    expect(r.ends[0]).toMatchObject({ code: "disk-full", exitCode: 5 });
    // Two seconds ahead, and room for cues, journal and manifest.
    expect(r.space?.available).toBeGreaterThan(2 * MB);
    expect(r.space?.available).toBeLessThan(8 * MB);
  });

  test("what others write counts, what they wrote once does not end the recording", async () => {
    const r = new Recorded(10_000 * MB, 50_000 * MB);
    await r.seconds(10, MB);
    await r.seconds(1, MB, { others: 8000 * MB });
    await r.seconds(30, MB);
    expect(r.ends).toEqual([]);
    const short = new Recorded(3000 * MB);
    await short.seconds(60, 0.1 * MB, { others: 10 * MB });
    expect(short.said).toHaveLength(1);
  });

  test("nothing is said of a recording that is over before", async () => {
    const r = new Recorded(100 * MB);
    await r.seconds(20, MB, { endsInMs: 10_000 });
    expect(r.said).toEqual([]);
    await r.seconds(1, MB, { endsInMs: 3_600_000 });
    expect(r.said).toHaveLength(1);
  });

  test("a disk of 4 MB is used until nearly full", async () => {
    const r = new Recorded(4 * MB);
    await r.seconds(60, 0.1 * MB);
    expect(r.ends).toHaveLength(1);
    expect(r.written).toBeGreaterThan(3.5 * MB);
    expect(r.space?.available).toBeGreaterThan(0.15 * MB);
  });

  test("many files keep more free than one", async () => {
    const free = async (files: number) => {
      const r = new Recorded(400 * MB);
      await r.seconds(2000, 0.25 * MB, { files });
      return r.space?.available ?? 0;
    };
    expect(await free(40)).toBeGreaterThan((await free(1)) + 1.5 * MB);
  });

  test("a disk that is full already ends it at the first look", async () => {
    const r = new Recorded(0, 100 * MB);
    await r.seconds(5, 0);
    expect(r.ends).toHaveLength(1);
  });

  test("a file system that says nothing is left alone, also one that has stopped to", async () => {
    const r = new Recorded(100 * MB);
    await r.seconds(5, MB);
    r.space = undefined;
    await r.seconds(5, MB);
    expect(r.watch.status).toBeUndefined();
    expect([...r.said, ...r.ends]).toHaveLength(1);
  });

  test("a disk that does not answer is asked once", async () => {
    let asked = 0;
    let answer: (s: DiskSpace) => void = () => undefined;
    const watch = new DiskWatch({
      directory: "/d",
      onShort: () => undefined,
      onFull: () => undefined,
      ask: () => {
        asked++;
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    });
    const use = { written: 0, files: 1 };
    const first = watch.check(millis(0), use);
    await watch.check(millis(1000), use);
    expect(asked).toBe(1);
    answer({ available: MB, total: 10 * MB });
    await first;
    expect(watch.status).toEqual({ availableBytes: MB });
  });
});

const unavailable = mountUnavailable();
if (unavailable !== undefined) process.stderr.write(`skipped: a real disk of 4 MB: ${unavailable}\n`);

describe.skipIf(unavailable !== undefined)(`a real disk of 4 MB [${unavailable ?? "mounted"}]`, () => {
  test("is recorded to until nearly full, and what ends a session still fits", async () => {
    const disk = await tinyDisk(4 * 1024 * 1024);
    try {
      expect(await checkDisk(disk.path, { maxBitrate: 4_000_000 })).toContain("only 4 MB are free");
      const media = join(disk.path, "media");
      let full: RoomtapError | undefined;
      const watch = new DiskWatch({
        directory: disk.path,
        onShort: () => undefined,
        onFull: (error) => {
          full = error;
        },
      });
      let written = 0;
      for (let now = 0; full === undefined && now < 100_000; now += 1000) {
        appendFileSync(media, new Uint8Array(125_000));
        written += 125_000;
        await watch.check(millis(now), { written, files: 1 });
      }
      expect(full).toMatchObject({ code: "disk-full" });
      expect(written).toBeGreaterThan(3.5 * MB);
      // A second of media on its way, cues, journal, and a manifest beside the one before.
      appendFileSync(media, new Uint8Array(135_000));
      writeFileSync(join(disk.path, "journal.jsonl"), new Uint8Array(30_000));
      for (const name of ["manifest.json", "manifest.json.tmp"])
        writeFileSync(join(disk.path, name), new Uint8Array(40_000));
      expect(() => appendFileSync(media, new Uint8Array(MB))).toThrow(/ENOSPC/);
      await expect(checkDisk(disk.path, { maxBitrate: 4_000_000 })).rejects.toMatchObject({
        code: "disk-full",
      });
    } finally {
      await disk.close();
    }
  });
});
