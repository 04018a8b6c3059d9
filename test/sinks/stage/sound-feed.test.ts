import { describe, expect, test } from "vitest";
import { RoomtapError } from "../../../src/core/fault.ts";
import type { Frame } from "../../../src/core/frame.ts";
import { micros } from "../../../src/core/time.ts";
import { PlayoutDelay } from "../../../src/sinks/stage/playout-delay.ts";
import { SoundFeed } from "../../../src/sinks/stage/sound-feed.ts";
import { fakeDecoders } from "./decoders.ts";

const packet = (o: Partial<Frame> = {}): Frame => ({
  ...{ codec: "opus", data: Uint8Array.of(0xf8, 1, 2, 3), keyframe: true, time: micros(0) },
  ...{ rtpTime: 0, lostBefore: 0, duration: 20_000 },
  ...o,
});

/** 20 ms of one value, or of nothing. */
function piece(value: number): Uint8Array {
  return new Uint8Array(new Int16Array(1920).fill(value).buffer);
}

function feeding() {
  const decoders = fakeDecoders();
  const clock = { now: 10_000 };
  const delay = new PlayoutDelay(300);
  const feed = new SoundFeed({ start: decoders.start, now: () => clock.now, frameMs: 33 }, delay);
  const into = new Int16Array(1920);
  /** The 20 ms that were spoken from `atMs` on; undefined: silence. */
  const hear = (atMs: number) => (feed.read(atMs, 960, into) ? [...into] : undefined);
  return { feed, clock, delay, hear, decoders: decoders.all };
}

describe("somebody's sound", () => {
  test("is heard when it was spoken, by the times of its packets", () => {
    const { feed, hear, decoders } = feeding();
    for (let i = 0; i < 3; i++) feed.frame(packet(), 10_000 + 20 * i, undefined);
    expect(decoders[0]?.pushed.map((p) => p.timeMs)).toEqual([10_000, 10_020, 10_040]);
    for (let i = 0; i < 3; i++) decoders[0]?.give(10_000 + 20 * i, piece(100 + i));
    expect(hear(9980)).toBeUndefined();
    hear(10_000);
    expect(new Set(hear(10_020))).toEqual(new Set([101]));
    expect(new Set(hear(10_040))).toEqual(new Set([102]));
    expect(hear(10_060)).toBeUndefined();
  });

  test("another codec gets another decoder; one that dies is replaced", () => {
    const { feed, clock, decoders } = feeding();
    feed.frame(packet(), 10_000, undefined);
    feed.frame(packet({ codec: "pcmu", data: new Uint8Array(160) }), 10_020, undefined);
    expect(decoders.map((d) => d.asked.track.codecId)).toEqual(["A_OPUS", "A_PCM/INT/LIT"]);
    expect(decoders[0]?.finished).toBe(true);
    decoders[1]?.die(new RoomtapError("ffmpeg-failed", "it died"));
    feed.frame(packet({ codec: "pcmu", data: new Uint8Array(160) }), 10_040, undefined);
    clock.now += 1000;
    feed.frame(packet({ codec: "pcmu", data: new Uint8Array(160) }), 11_040, undefined);
    expect(decoders).toHaveLength(3);
    expect(feed.counters).toMatchObject({ restarts: 1, dropped: 1 });
  });

  test("who speaks is told by the levels that the sender states", () => {
    const { feed, clock } = feeding();
    const say = (level: number) => {
      for (let i = 0; i < 20; i++, clock.now += 20) feed.frame(packet(), clock.now, level);
    };
    say(127);
    expect([feed.speaking(clock.now), feed.soundAt > 0]).toEqual([false, false]);
    say(30);
    expect(feed.speaking(clock.now)).toBe(true);
    clock.now += 1000;
    expect(feed.speaking(clock.now)).toBe(false);
    expect(feed.soundAt).toBe(10_780);
  });

  test("who speaks is heard where no levels are stated", () => {
    const { feed, clock, decoders } = feeding();
    for (let i = 0; i < 20; i++, clock.now += 20) {
      feed.frame(packet(), clock.now, undefined);
      decoders[0]?.give(clock.now, piece(i < 10 ? 0 : 5000));
      if (i === 9) expect([feed.speaking(clock.now), feed.soundAt > 0]).toEqual([false, false]);
    }
    expect(feed.speaking(clock.now)).toBe(true);
  });

  test("sound that comes too late again moves everything back, and is counted", () => {
    const { feed, clock, delay, hear, decoders } = feeding();
    feed.frame(packet(), 10_000, undefined);
    decoders[0]?.give(10_000, piece(1));
    clock.now = 11_500;
    hear(11_200);
    decoders[0]?.give(11_100, piece(1));
    clock.now = 12_000;
    hear(11_700);
    decoders[0]?.give(11_600, piece(1));
    expect(delay.ms).toBe(440);
    expect(feed.counters.lateMs).toBe(40);
    decoders[0]?.give(11_720, piece(7));
    expect(new Set(hear(11_720))).toContain(7);
  });

  test("a delay that comes back is made up for by single samples", () => {
    const { feed, hear, decoders } = feeding();
    feed.frame(packet(), 10_000, undefined);
    for (let i = 0; i < 100; i++) decoders[0]?.give(10_000 + 20 * i, piece(500));
    hear(10_100);
    // Some samples more in 20 ms.
    for (let i = 1; i < 50; i++) expect(new Set(hear(10_100 + 20.16 * i))).toEqual(new Set([500]));
    expect(hear(12_300)).toBeUndefined();
  });
});
