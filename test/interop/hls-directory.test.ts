import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";
import { HlsSink, type HlsSinkOptions } from "../../src/sinks/hls/hls.ts";
import { type EncodedStream, encodeStream } from "../support/encoded-stream.ts";
import { readPlaylist } from "../support/hls-lint.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
let root: string;
let stream: EncodedStream;
let ffmpeg: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "roomtap-hls-"));
  ffmpeg = await locateFfmpeg();
  stream = await encodeStream(join(root, "stream.flv"), 320, 180);
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** A sink into a directory that gets the stream so many times over. */
function written(name: string, o: Partial<HlsSinkOptions> = {}) {
  const directory = join(root, name);
  const failures: string[] = [];
  const sink = new HlsSink(
    { zeroAt: Date.now(), renditions: [{ name: "180p", bitrate: 300_000, framesPerSecond: 30 }] },
    {
      ...{ segmentMs: 1000, window: 4, event: false, container: "fmp4", directory },
      onFailure: (e) => failures.push(e.message),
      onRecovered: () => failures.push("recovered"),
      ...o,
    },
  );
  const { width, height, avcC, asc, video, audio } = stream;
  sink.format({
    rendition: 0,
    video: { codec: "h264", config: avcC, width, height },
    audio: { codec: "aac", config: asc, sampleRate: 48_000, channels: 2 },
  });
  let round = 0;
  const feed = (rounds: number) => {
    for (const end = round + rounds; round < end; round++) {
      const pictures = video.map((s) => ({
        ...s,
        kind: "video" as const,
        rendition: 0,
        at: s.time / 90_000,
      }));
      // A whole number of frames of sound does not fit into three seconds.
      const sounds = audio
        .slice(0, round % 2 === 0 ? 141 : 140)
        .map((s, i) => ({ ...s, kind: "audio" as const, at: s.time / 48_000, i }));
      const before = Math.floor((round * 281) / 2 + (round % 2) / 2);
      for (const { at, ...s } of [...pictures, ...sounds].sort((a, b) => a.at - b.at)) {
        const time = s.kind === "video" ? s.time + round * 270_000 : (before + (s as { i: number }).i) * 1024;
        sink.sample({ ...s, time });
      }
    }
  };
  return { sink, directory, feed, failures };
}

/** What a player without mercy says of a stream, and how many pictures and samples it finds. */
async function decoded(playlist: string) {
  const probe = await run(ffmpeg, [
    ...["-hide_banner", "-loglevel", "info", "-allowed_extensions", "ALL", "-i", playlist],
    ...["-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-"],
  ]);
  const complaints = probe.stderr
    .split("\n")
    .filter((l) => /error|invalid|corrupt|discontinuity|non-monoton/i.test(l));
  return { complaints, pictures: Number(/frame=\s*(\d+)(?!.*frame=)/s.exec(probe.stderr)?.[1]) };
}

test.each(["fmp4", "ts"] as const)(
  "a directory of %s decodes whole, from the playlist of playlists on",
  async (container) => {
    const { sink, directory, feed, failures } = written(container, { container, event: true });
    feed(3);
    await sink.close();
    expect(await decoded(join(directory, "index.m3u8"))).toEqual({ complaints: [], pictures: 270 });
    expect(failures).toEqual([]);
  },
);

test("parts that end while a picture is shown make segments that decode whole", async () => {
  // Neither two nor three pictures of 33 ms are as long as a part may be, and has to be.
  const { sink, directory, feed } = written("parts", { event: true, partMs: 80 });
  feed(3);
  await sink.close();
  expect(await decoded(join(directory, "index.m3u8"))).toEqual({ complaints: [], pictures: 270 });
});

test("a live stream keeps a window of segments on disk, and a short while those before", async () => {
  const { sink, directory, feed } = written("live");
  feed(6);
  await sink.close();
  const names = await readdir(join(directory, "180p"));
  const listed = readPlaylist(await readFile(join(directory, "180p", "index.m3u8"), "utf8"));
  expect(listed).toMatchObject({ mediaSequence: 14, ended: true, partTarget: undefined });
  expect(names.filter((n) => n.endsWith(".m4s")).map((n) => Number(/-(\d{6})\.m4s$/.exec(n)?.[1]))).toEqual(
    Array.from({ length: 9 }, (_, i) => i + 9),
  );
  expect(names.filter((n) => n.endsWith(".tmp") || n.includes("part"))).toEqual([]);
});

test("the stream of an earlier run is replaced, and what is not ours stays", async () => {
  const first = written("again");
  first.feed(4);
  await first.sink.close();
  const folder = join(first.directory, "180p");
  await writeFile(join(folder, "notes.txt"), "mine");
  await writeFile(join(folder, "seg-1.m4s"), "mine too");
  const second = written("again");
  const names = await readdir(folder);
  expect(names.sort()).toEqual(["notes.txt", "seg-1.m4s"]);
  second.feed(1);
  await second.sink.close();
  expect(readPlaylist(await readFile(join(folder, "index.m3u8"), "utf8")).mediaSequence).toBe(0);
});

test("a stream that never began leaves no directories, and nobody's is removed", async () => {
  const kept = join(root, "never-kept");
  await mkdir(kept);
  for (const [name, there] of [
    ["never", false],
    ["never-kept", true],
  ] as const) {
    const { sink, directory } = written(name);
    await sink.close();
    expect(existsSync(join(directory, "180p"))).toBe(false);
    expect(existsSync(directory)).toBe(there);
  }
});

test("files of these names beside no stream of ours are left alone", async () => {
  const folder = join(root, "theirs", "180p");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "seg-000000.ts"), "theirs");
  const { sink } = written("theirs");
  expect(await readdir(folder)).toEqual(["seg-000000.ts"]);
  await sink.close();
});

test("a directory that is removed is made again, and the stream goes on in memory meanwhile", async () => {
  const { sink, directory, feed, failures } = written("removed", { window: 8 });
  feed(1);
  const playlist = join(directory, "180p", "index.m3u8");
  await until(
    "both segments on disk",
    () => existsSync(playlist) && readFileSync(playlist, "utf8").includes("1.m4s"),
  );
  await rm(directory, { recursive: true, force: true });
  feed(1);
  await until("a failure", () => failures.length > 0);
  expect(failures).toEqual([expect.stringContaining(directory)]);
  expect(sink.status()).toMatchObject({ state: "retrying", detail: expect.any(String) });
  expect(readPlaylist(sink.playlist("180p") ?? "").segments.length).toBeGreaterThanOrEqual(5);
  await until("it works again", () => sink.status().state === "running");
  feed(1);
  await sink.close();
  expect(failures).toEqual([expect.any(String), "recovered"]);
  // All that is listed is there, be it from before: it plays.
  const p = readPlaylist(await readFile(playlist, "utf8"));
  const names = await readdir(join(directory, "180p"));
  for (const s of p.segments) expect(names).toEqual(expect.arrayContaining([s.uri, s.map]));
  expect((await decoded(join(directory, "index.m3u8"))).complaints).toEqual([]);
});

test.each(["index.m3u8", "180p/index.m3u8"])(
  "somebody else's %s is neither removed nor replaced",
  async (path) => {
    const directory = join(root, `foreign-${path.length}`);
    await mkdir(join(directory, "180p"), { recursive: true });
    await writeFile(join(directory, path), "#EXTM3U\n#EXTINF:2,\nholiday.ts\n");
    expect(() => written(`foreign-${path.length}`)).toThrow(expect.objectContaining({ exitCode: 5 }));
    expect(await readFile(join(directory, path), "utf8")).toContain("holiday.ts");
  },
);

test.each(["/proc/roomtap", "/dev/null/x"])(
  "%s cannot be written to, and it says so at once",
  (directory) => {
    expect(() => written("nowhere", { directory })).toThrow(
      expect.objectContaining({ name: "RoomtapError", exitCode: 5 }),
    );
  },
);
