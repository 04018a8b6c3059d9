import { describe, expect, test } from "vitest";
import { avcCodecString } from "../../../src/core/codecs/codec-strings.ts";
import { avcDecoderConfig } from "../../../src/core/codecs/h264-avcc.ts";
import { HlsSink, type HlsSinkOptions } from "../../../src/sinks/hls/hls.ts";
import type { ProgramFormat } from "../../../src/sinks/program/program.ts";
import { sets } from "../../core/codecs/h264.cases.ts";
import { PlaylistLint, readPlaylist } from "../../support/hls-lint.ts";

const ZERO = Date.UTC(2026, 0, 1);
const FRAME = 3000;
const { sps640x480, sps494x370, pps } = sets;
const avcC = (sps: Uint8Array) => avcDecoderConfig([sps], [pps]) ?? expect.unreachable();
const format = (rendition = 0, sps = sps640x480): ProgramFormat => ({
  rendition,
  video: { codec: "h264", config: avcC(sps), width: 640 >> rendition, height: 360 >> rendition },
  audio: { codec: "aac", config: Uint8Array.of(0x11, 0x90), sampleRate: 48_000, channels: 2 },
});

/** A live program of 30 pictures a second with a keyframe every `keyframes` pictures, fed step by step. */
function streaming(o: Partial<HlsSinkOptions> & { renditions?: number; keyframes?: number } = {}) {
  const { renditions = 1, keyframes = 60, ...options } = o;
  const sink = new HlsSink(
    {
      zeroAt: ZERO,
      renditions: Array.from({ length: renditions }, (_, i) => ({
        ...{ name: `r${i}`, bitrate: 500_000 / (i + 1), framesPerSecond: 30 },
      })),
    },
    {
      ...{ segmentMs: 2000, window: 4, event: false, container: "fmp4" },
      onFailure: (e) => expect.unreachable(e.message),
      ...options,
    },
  );
  const lints = sink.renditions.map(() => new PlaylistLint());
  for (let r = 0; r < renditions; r++) sink.format(format(r));
  let picture = 0;
  let sound = 0;
  const look = () => {
    for (const [i, name] of sink.renditions.entries()) {
      const text = sink.playlist(name);
      if (text !== undefined) lints[i]?.push(text);
    }
  };
  /** Feeds so many pictures, and the sound that goes with them; `leave`: pictures that are left out. */
  const feed = (count: number, leave: (n: number) => boolean = () => false) => {
    for (const end = picture + count; picture < end; picture++) {
      const keyframe = picture % keyframes === 0;
      for (let rendition = 0; rendition < renditions && !leave(picture); rendition++) {
        const data = new Uint8Array(keyframe ? 5000 : 800);
        const time = picture * FRAME;
        sink.sample({ kind: "video", rendition, data, time, duration: FRAME, keyframe });
      }
      for (; sound * 1024 < (picture + 1) * 1600; sound++)
        sink.sample({
          ...{ kind: "audio", data: new Uint8Array(300), time: sound * 1024, duration: 1024, keyframe: true },
        });
      look();
    }
  };
  const problems = () => lints.flatMap((l) => l.problems);
  return { sink, lints, feed, look, problems };
}

const partMs = 250;

describe("a stream of segments", () => {
  test("has segments of the length that was asked for, each from a keyframe on, and a window of them", () => {
    const { sink, feed, lints, problems } = streaming();
    feed(60 * 9 + 10);
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.segments.map((s) => [s.uri, s.duration, s.time - ZERO])).toEqual([
      ["seg-t85s00-000005.m4s", 2, 10_000],
      ["seg-t85s00-000006.m4s", 2, 12_000],
      ["seg-t85s00-000007.m4s", 2, 14_000],
      ["seg-t85s00-000008.m4s", 2, 16_000],
    ]);
    expect(p).toMatchObject({
      mediaSequence: 5,
      targetDuration: 2,
      independent: true,
      partTarget: undefined,
    });
    expect(lints[0]?.segments).toHaveLength(9);
    expect(problems()).toEqual([]);
  });

  test("keeps segments that left the playlist for those who know an older one, and then forgets them", () => {
    const { sink, feed } = streaming();
    feed(60 * 12 + 10);
    const there = Array.from({ length: 12 }, (_, i) =>
      sink.file(`r0/seg-t85s00-${`${i}`.padStart(6, "0")}.m4s`),
    );
    expect(there.map((f) => f !== undefined)).toEqual([...Array(3).fill(false), ...Array(9).fill(true)]);
    expect(sink.file("r0/init-t85s00-0.mp4")?.type).toBe("video/mp4");
    for (const path of [
      "r0/../r0/init-t85s00-0.mp4",
      "init-t85s00-0.mp4",
      "r1/init-t85s00-0.mp4",
      "r0/",
      "",
      "r0/x/y",
    ])
      expect(sink.file(path)).toBeUndefined();
  });

  test("cuts all renditions at the same places", () => {
    const { sink, feed, problems } = streaming({ renditions: 3, partMs });
    feed(60 * 4 + 30);
    const [a, b, c] = sink.renditions.map((name) =>
      readPlaylist(sink.playlist(name) ?? "").segments.map((s) => [s.msn, s.time, s.duration]),
    );
    expect(b).toEqual(a);
    expect(c).toEqual(a);
    expect(problems()).toEqual([]);
    const multivariant = sink.multivariant() ?? "";
    expect(multivariant.match(/RESOLUTION=\d+x\d+/g)).toEqual([
      "RESOLUTION=640x360",
      "RESOLUTION=320x180",
      "RESOLUTION=160x90",
    ]);
    expect(multivariant).toContain(`CODECS="${avcCodecString(avcC(sps640x480))},mp4a.40.2"`);
    expect(multivariant).toContain("r2/index.m3u8");
    expect(sink.playlist("r0")).toContain(
      '#EXT-X-RENDITION-REPORT:URI="../r1/index.m3u8",LAST-MSN=4,LAST-PART=',
    );
  });

  test("an event keeps everything in its playlist", () => {
    const { sink, feed, problems } = streaming({ event: true });
    feed(60 * 12 + 10);
    const text = sink.playlist("r0") ?? "";
    expect(text).toContain("#EXT-X-PLAYLIST-TYPE:EVENT");
    expect(readPlaylist(text).segments).toHaveLength(12);
    feed(60 * 18);
    const all = readPlaylist(sink.playlist("r0") ?? "").segments;
    expect(all).toHaveLength(30);
    // Without a directory they are all in memory.
    expect(all.filter((s) => !sink.file(`r0/${s.uri}`))).toEqual([]);
    expect(problems()).toEqual([]);
  });

  test("keeps more segments than were asked for where those are too short for a playlist", () => {
    const { feed, lints, problems } = streaming({ window: 3, segmentMs: 1500, keyframes: 45 });
    feed(45 * 12);
    expect(lints[0]?.last?.segments).toHaveLength(4);
    expect(problems()).toEqual([]);
  });

  test("ends with what there is, and says so", async () => {
    const { sink, feed, look, problems } = streaming({ partMs });
    feed(60 + 20);
    expect(sink.ended).toBe(false);
    await sink.close();
    look();
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.ended).toBe(true);
    expect(p.hint).toBeUndefined();
    expect(p.segments.map((s) => Math.round(30 * s.duration))).toEqual([60, 20]);
    expect(problems()).toEqual([]);
    expect(sink.status().state).toBe("ended");
  });

  test("has nothing to play before its first segment", () => {
    const { sink, feed } = streaming();
    feed(40);
    expect(sink.multivariant()).toBeUndefined();
    expect(sink.playlist("r0")).toBeUndefined();
    expect(sink.playlist("nothing")).toBeUndefined();
    expect(sink.status().state).toBe("waiting");
  });
});

describe("what does not go well", () => {
  test("without a keyframe a segment ends all the same, and independence is not claimed", () => {
    const { sink, feed, problems } = streaming({ keyframes: 150 });
    feed(150 + 40);
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.segments.every((s) => Math.round(s.duration) <= 2)).toBe(true);
    expect(p.independent).toBe(false);
    expect(problems()).toEqual([]);
    // It is not claimed, taken back and claimed again.
    expect(sink.multivariant()).not.toContain("INDEPENDENT");
  });

  test("another picture is a discontinuity with another header", () => {
    const { sink, feed, problems } = streaming({ partMs });
    feed(60 + 30);
    sink.format(format(0, sps494x370));
    feed(150);
    const p = readPlaylist(sink.playlist("r0") ?? "");
    // It begins at a keyframe; what was left of the segment before is one of its own.
    expect(p.segments.map((s) => [s.map, s.discontinuity])).toEqual([
      ["init-t85s00-0.mp4", false],
      ["init-t85s00-0.mp4", false],
      ["init-t85s00-1.mp4", true],
    ]);
    expect(problems()).toEqual([]);
  });

  test("the same format again changes nothing", () => {
    const { sink, feed, problems } = streaming();
    feed(90);
    sink.format(format());
    feed(100);
    expect(readPlaylist(sink.playlist("r0") ?? "").segments.some((s) => s.discontinuity)).toBe(false);
    expect(problems()).toEqual([]);
  });

  test("an encoder that was replaced is a discontinuity, and is counted when it leaves the playlist", () => {
    const { sink, feed, problems } = streaming({ partMs });
    feed(60 * 2 + 10);
    sink.interruption();
    sink.format(format());
    feed(50 + 60 * 2);
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.segments.map((s) => s.discontinuity)).toEqual([false, false, false, true]);
    feed(60 * 6);
    expect(readPlaylist(sink.playlist("r0") ?? "")).toMatchObject({ discontinuitySequence: 1 });
    expect(problems()).toEqual([]);
  });

  test("pictures that were left out leave no hole in time", () => {
    const { lints, feed, problems } = streaming({ partMs });
    feed(60 * 5, (n) => n % 60 === 17 || n % 60 === 40);
    const segments = lints[0]?.segments ?? [];
    for (const [i, s] of segments.entries()) expect(s.time).toBe(ZERO + 2000 * i);
    expect(problems()).toEqual([]);
  });

  test("sound that does not come holds nothing up for long", () => {
    const { sink } = streaming({ partMs });
    for (let n = 0; n < 160; n++)
      sink.sample({
        ...{ kind: "video", rendition: 0, data: new Uint8Array(10), time: n * FRAME, duration: FRAME },
        keyframe: n % 60 === 0,
      });
    expect(sink.edge("r0")).toMatchObject({ nextMsn: 2 });
  });
});

describe("low latency", () => {
  test("offers parts of the next segment, and says which one comes next", () => {
    const { sink, feed, problems } = streaming({ partMs });
    feed(60 * 3 + 20);
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.openParts.map((part) => part.uri)).toEqual([
      "seg-t85s00-000003.part-0.m4s",
      "seg-t85s00-000003.part-1.m4s",
    ]);
    expect(p.openParts[0]?.independent).toBe(true);
    expect(p.hint).toBe("seg-t85s00-000003.part-2.m4s");
    expect(sink.promised("r0/seg-t85s00-000003.part-2.m4s")).toBe(true);
    expect(sink.promised("r0/seg-t85s00-000003.part-3.m4s")).toBe(false);
    expect(sink.edge("r0")).toEqual({ nextMsn: 3, parts: 2 });
    expect(p.control).toMatchObject({ "CAN-BLOCK-RELOAD": "YES", "PART-HOLD-BACK": "0.75000" });
    expect(problems()).toEqual([]);
  });

  test("a segment is its parts, octet for octet", () => {
    const { sink, feed } = streaming({ partMs });
    feed(60 * 2 + 5);
    const [, second] = readPlaylist(sink.playlist("r0") ?? "").segments;
    const bytes = (path: string) => Buffer.concat(sink.file(`r0/${path}`)?.body ?? []);
    expect(second?.parts.length).toBe(9);
    expect(Buffer.concat((second?.parts ?? []).map((p) => bytes(p.uri)))).toEqual(bytes(second?.uri ?? ""));
  });

  test("a delta update leaves out what a player has known for long", () => {
    const { sink, feed } = streaming({ partMs, window: 20 });
    feed(60 * 15 + 5);
    const whole = readPlaylist(sink.playlist("r0") ?? "");
    const delta = readPlaylist(sink.playlist("r0", { skip: true }) ?? "");
    expect(delta.skipped).toBe(9);
    expect(delta.segments).toEqual(whole.segments.slice(9).map((s) => ({ ...s, map: undefined })));
    expect(readPlaylist(sink.playlist("r0", { skip: true }) ?? "").mediaSequence).toBe(whole.mediaSequence);
  });

  test("a player that asks for delta updates alone is told the same, discontinuities and all", () => {
    const { sink, feed, lints, problems } = streaming({ partMs, window: 12 });
    const player = new PlaylistLint();
    for (let i = 0; i < 30; i++) {
      feed(30);
      if (i === 9 || i === 21) {
        sink.interruption();
        sink.format(format());
      }
      const text = sink.playlist("r0", { skip: i > 0 });
      if (text !== undefined) player.push(text);
    }
    expect(player.last?.skipped).toBeGreaterThan(0);
    expect(player.problems).toEqual([]);
    expect(problems()).toEqual([]);
    const plain = ({ msn, uri, map, discontinuities }: (typeof player.segments)[number]) => ({
      ...{ msn, uri, map, discontinuities },
    });
    expect(player.segments.map(plain)).toEqual(lints[0]?.segments.map(plain));
  });

  test("whoever waits is told of every part", () => {
    const { sink, feed } = streaming({ partMs });
    let told = 0;
    const stop = sink.onChange(() => told++);
    feed(60);
    expect(told).toBeGreaterThanOrEqual(7);
    stop();
    const before = told;
    feed(60);
    expect(told).toBe(before);
  });

  test("MPEG-TS has no parts", () => {
    const { sink, feed, problems } = streaming({ partMs, container: "ts" });
    feed(60 * 3 + 20);
    expect(sink.partTarget).toBeUndefined();
    const p = readPlaylist(sink.playlist("r0") ?? "");
    expect(p.segments.map((s) => [s.uri, s.map])).toEqual([
      ["seg-t85s00-000000.ts", undefined],
      ["seg-t85s00-000001.ts", undefined],
      ["seg-t85s00-000002.ts", undefined],
    ]);
    const segment = Buffer.concat(sink.file("r0/seg-t85s00-000001.ts")?.body ?? []);
    expect(segment.length % 188).toBe(0);
    expect(segment[0]).toBe(0x47);
    expect(problems()).toEqual([]);
  });
});
