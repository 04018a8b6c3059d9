import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asciiBytes, concat } from "../../../src/core/bytes.ts";
import { bigEndian, element, float, Id, text, uint } from "../../../src/core/containers/matroska/ebml.ts";
import { MatroskaWriter } from "../../../src/core/containers/matroska/writer.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { matroskaTrack } from "../../../src/sinks/recorder/matroska-codecs.ts";
import { layoutOf } from "../../../src/sinks/verify/layout.ts";
import { pictureAt } from "../recorder/session.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "roomtap-layout-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function layout(bytes: Uint8Array) {
  const path = join(dir, "file");
  writeFileSync(path, bytes);
  return layoutOf(path);
}
const problem = (code: string, words = "") => [{ code, message: expect.stringContaining(words) }];

/** A recording of ours of 10 s; `finish`: it was ended in order. */
function recording(finish = true): Uint8Array {
  const track = matroskaTrack(1, "vp8", pictureAt(0, [640, 360]));
  const writer = new MatroskaWriter("webm", [track]);
  const patches = [writer.header()];
  for (let ms = 0; ms < 10_000; ms += 100)
    patches.push(...writer.block(1, ms, 100, ms % 1000 === 0, new Uint8Array(50)));
  if (finish) patches.push(...writer.finish());
  const bytes = new Uint8Array(writer.length);
  for (const p of patches) bytes.set(p.bytes, p.at);
  return bytes;
}

describe("Matroska", () => {
  test("a finished recording has nothing wrong", async () => {
    expect(await layout(recording())).toEqual({
      container: "webm",
      durationMs: 10_000,
      video: [{ width: 640, height: 360 }],
      problems: [],
    });
  });

  test("one that was not finished, lost its end, or has something behind it is found", async () => {
    const whole = recording();
    expect((await layout(recording(false)))?.problems).toEqual(problem("unfinished", "has no size"));
    for (const n of [1, 40, 3000, whole.length - 5000])
      expect((await layout(whole.subarray(0, -n)))?.problems).toEqual(problem("unfinished", `${n} octets`));
    expect((await layout(concat([whole, Uint8Array.of(1, 2, 3)])))?.problems).toEqual(
      problem("unfinished", "3 octets stand behind"),
    );
  });

  test("cues that are missing or point astray, and a missing duration, are found", async () => {
    const ebml = element(Id.EBML, text(Id.DocType, "matroska"));
    const info = (...more: Uint8Array[]) => element(Id.Info, uint(Id.TimestampScale, 1e6), ...more);
    const cluster = element(Id.Cluster, uint(Id.Timestamp, 0));
    const cues = (at: number) =>
      element(
        Id.Cues,
        element(
          Id.CuePoint,
          uint(Id.CueTime, 700),
          element(Id.CueTrackPositions, uint(Id.CueTrack, 1), uint(Id.CueClusterPosition, at)),
        ),
      );
    const duration = float(Id.Duration, 900);
    const of = async (...parts: Uint8Array[]) => await layout(concat([ebml, element(Id.Segment, ...parts)]));
    const start = info(duration).length;
    expect(await of(info(duration), cluster, cues(start))).toMatchObject({
      container: "mkv",
      durationMs: 900,
      problems: [],
    });
    const seek = async (...parts: Uint8Array[]) => (await of(...parts))?.problems;
    expect(await seek(info(duration), cluster)).toEqual(problem("not-seekable", "no cues"));
    expect(await seek(info(duration), cluster, cues(start + 1))).toEqual(problem("not-seekable", "700 ms"));
    expect(await seek(info(), cluster, cues(start))).toEqual(problem("not-seekable", "how long"));
    expect(await seek(info(duration))).toEqual(problem("not-seekable", "no media"));
  });
});

describe("MP4", () => {
  const box = (type: string, ...content: Uint8Array[]) => {
    const body = concat([asciiBytes(type), ...content]);
    return concat([bigEndian(body.length + 4, 4), body]);
  };
  const ftyp = box("ftyp", asciiBytes("isom"));
  const mvhd = box("mvhd", new Uint8Array(12), bigEndian(1000, 4), bigEndian(2500, 4), new Uint8Array(80));
  const moov = box("moov", mvhd);
  const mdat = box("mdat", new Uint8Array(100));

  test("an index before the media is right, and its duration is read", async () => {
    expect(await layout(concat([ftyp, moov, mdat]))).toEqual({
      container: "mp4",
      durationMs: 2500,
      problems: [],
    });
    const large = concat([bigEndian(1, 4), asciiBytes("mdat"), bigEndian(116, 8), new Uint8Array(100)]);
    expect((await layout(concat([ftyp, moov, large])))?.problems).toEqual([]);
  });

  test.each([
    ["an index behind the media", [ftyp, mdat, moov], "not-seekable", "behind"],
    ["no index", [ftyp, mdat], "unfinished", "no index"],
    ["fragments", [ftyp, moov, box("moof"), mdat], "unfinished", "fragments"],
    ["no media", [ftyp, moov], "not-seekable", "no media"],
    ["a torn end", [ftyp, moov, mdat.subarray(0, 50)], "unfinished", "cut off"],
    ["a torn head", [ftyp, moov, mdat, Uint8Array.of(0, 0)], "unfinished", "cut off"],
    ["a box of no length", [ftyp, moov, bigEndian(3, 4), asciiBytes("free")], "unreadable", "no box"],
  ])("%s is found", async (_, parts, code, words) => {
    expect((await layout(concat(parts)))?.problems).toEqual(problem(code, words));
  });
});

describe("Ogg", () => {
  const page = (sequence: number, granule: number, flags = 0) => {
    const b = new Uint8Array(27 + 2 + 300);
    b.set(asciiBytes("OggS"));
    b[5] = flags;
    b.set(bigEndian(granule, 8).reverse(), 6);
    b.set(bigEndian(7, 4).reverse(), 14);
    b.set(bigEndian(sequence, 4).reverse(), 18);
    b.set([2, 255, 45], 26);
    return b;
  };
  const pages = [page(0, 0, 2), page(1, 0), page(2, 960), page(3, 1920, 4)];

  test("pages in order to the last are right", async () => {
    expect(await layout(concat(pages))).toEqual({ container: "ogg", problems: [] });
  });

  test.each([
    ["no last page", pages.slice(0, -1), "unfinished", "last page"],
    ["a lost page", [...pages.slice(0, 2), page(3, 1920, 4)], "not-seekable", "pages 2 to 2"],
    ["time that goes back", [...pages.slice(0, 3), page(3, 900, 4)], "not-seekable", "back"],
    ["a torn page", [...pages.slice(0, 3), page(3, 1920, 4).subarray(0, 100)], "unfinished", "cut off"],
    ["noise between pages", [...pages.slice(0, 3), new Uint8Array(50)], "unreadable", "no page"],
  ])("%s is found", async (_, parts, code, words) => {
    expect((await layout(concat(parts)))?.problems).toEqual(problem(code, words));
  });
});

test("what is no container of ours is nothing, and no file of noise ends badly", async () => {
  expect(await layout(new Uint8Array(0))).toBeUndefined();
  expect(await layout(asciiBytes("#EXTM3U\nhttp://example.org/a.ts\n"))).toBeUndefined();
  const random = seededRandom(7);
  const heads = [recording().subarray(0, 60), asciiBytes("0000ftypisom"), asciiBytes("OggS")];
  for (let i = 0; i < 90; i++) {
    const noise = Uint8Array.from({ length: 3000 }, () => random() * 256);
    const found = await layout(concat([heads[i % 3] ?? noise, noise]));
    expect(found?.problems.length, `${i}`).toBeGreaterThan(0);
  }
});
