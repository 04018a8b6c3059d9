import { describe, expect, test } from "vitest";
import { RoomtapError } from "../../../src/core/fault.ts";
import type { Frame } from "../../../src/core/frame.ts";
import { micros } from "../../../src/core/time.ts";
import { PlayoutDelay } from "../../../src/sinks/stage/playout-delay.ts";
import { VideoFeed } from "../../../src/sinks/stage/video-feed.ts";
import { fakeDecoders } from "./decoders.ts";

const SMALL = { width: 16, height: 8 };
const LARGE = { width: 32, height: 16 };
const FRAME_MS = 1000 / 30;
const dead = new RoomtapError("ffmpeg-failed", "it died");

function frame(keyframe: boolean, o: Partial<Frame> = {}): Frame {
  const size = keyframe ? { width: 64, height: 32 } : {};
  const common = { data: Uint8Array.of(1), time: micros(0), rtpTime: 0, lostBefore: 0 };
  return { codec: "vp8", keyframe, ...common, ...size, ...o };
}

/** A feed on a clock of its own, and decoders that do as they are told. */
function feeding() {
  const decoders = fakeDecoders();
  const clock = { now: 1000 };
  const asked: number[] = [];
  const delay = new PlayoutDelay(300);
  const context = { start: decoders.start, now: () => clock.now, frameMs: FRAME_MS };
  const feed = new VideoFeed(context, delay, () => asked.push(clock.now));
  /** Time goes by, as the stage sees it. */
  const pass = (ms: number) => {
    const end = clock.now + ms;
    while (clock.now < end) {
      clock.now = Math.min(end, clock.now + 20);
      feed.check(clock.now);
    }
  };
  return { feed, clock, asked, delay, pass, decoders: decoders.all };
}

describe("somebody's pictures", () => {
  test("what nobody looks at is not decoded", () => {
    const { feed, decoders, asked, pass } = feeding();
    feed.frame(frame(true), 1000);
    pass(5000);
    expect([decoders.length, asked.length, feed.running]).toEqual([0, 0, false]);
  });

  test("it begins with a keyframe, which is asked for once a second", () => {
    const { feed, decoders, asked, pass } = feeding();
    feed.want(SMALL);
    feed.frame(frame(false), 1000);
    pass(2500);
    expect(asked).toHaveLength(3);
    expect(decoders).toHaveLength(0);
    feed.frame(frame(true), 3500);
    feed.frame(frame(false), 3533);
    pass(3000);
    expect(asked).toHaveLength(3);
    expect(decoders[0]?.asked.picture).toMatchObject({ ...SMALL, rotation: 0 });
    expect(decoders[0]?.pushed.map((p) => p.keyframe)).toEqual([true, false]);
    expect(feed.counters.dropped).toBe(1);
  });

  test("the picture of a moment is the newest that is not after it", () => {
    const { feed, decoders, clock } = feeding();
    feed.want(SMALL);
    for (let i = 0; i < 5; i++) feed.frame(frame(i === 0), 1000 + 40 * i);
    expect(feed.at(1000)).toBeUndefined();
    clock.now = 1100;
    for (let i = 0; i < 5; i++) decoders[0]?.give(1000 + 40 * i);
    const shown = [999, 1000, 1039, 1040, 1150, 1200].map((at) => feed.at(at)?.picture.atMs);
    expect(shown).toEqual([undefined, 1000, 1000, 1040, 1120, 1160]);
    expect(feed.counters).toMatchObject({ decoded: 5, shown: 4, late: 0 });
  });

  test("another size, rotation or codec: another decoder takes over at a keyframe", () => {
    const { feed, decoders, asked, pass } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    decoders[0]?.give(1000);
    feed.want(LARGE);
    pass(1500);
    expect(asked).toHaveLength(2);
    feed.frame(frame(false), 1040);
    expect(decoders).toHaveLength(1);
    feed.frame(frame(true), 1080);
    expect(decoders[1]?.asked.picture).toMatchObject(LARGE);
    expect(decoders[0]).toMatchObject({ finished: true, closed: false });
    // The old one still gives out what it has.
    decoders[0]?.give(1040);
    decoders[1]?.give(1080);
    expect(feed.at(1060)).toMatchObject({ ...SMALL, picture: { atMs: 1040 } });
    expect(feed.at(1080)).toMatchObject({ ...LARGE, picture: { atMs: 1080 } });
    feed.frame(frame(true, { rotation: 90 }), 1120);
    expect(decoders[2]?.asked.picture?.rotation).toBe(90);
    feed.frame(frame(true, { rotation: 90, codec: "vp9" }), 1160);
    expect(decoders[3]?.asked.track.codecId).toBe("V_VP9");
  });

  test("a decoder that dies is replaced, after a while that grows, and the last picture stays", () => {
    const { feed, decoders, pass, clock } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    decoders[0]?.give(1000);
    expect(feed.at(1000)?.picture.atMs).toBe(1000);
    for (let i = 0; i < 6; i++) {
      decoders.at(-1)?.die(dead);
      expect(feed.running).toBe(false);
      for (let k = 0; k < 500 && !feed.running; k++) {
        pass(20);
        feed.frame(frame(true), clock.now);
      }
      expect(feed.running).toBe(true);
    }
    expect(feed.counters.restarts).toBe(6);
    expect(clock.now).toBeGreaterThan(1300);
    expect(feed.at(1010)?.picture.atMs).toBe(1000);
    decoders.at(-1)?.give(clock.now);
    expect(feed.at(clock.now)?.picture.atMs).toBe(clock.now);
  });

  test("a decoder that is fed and says nothing is ended and replaced", () => {
    const { feed, decoders, pass, clock } = feeding();
    feed.want(SMALL);
    for (let i = 0; i < 120; i++) {
      feed.frame(frame(i % 30 === 0), clock.now);
      pass(40);
    }
    expect(decoders[0]?.closed).toBe(true);
    expect(decoders.length).toBeGreaterThan(1);
    expect(feed.counters.restarts).toBe(1);
  });

  test("a camera that pauses is no decoder that hangs", () => {
    const { feed, decoders, pass } = feeding();
    feed.want(SMALL);
    for (let i = 0; i < 30; i++) feed.frame(frame(i === 0), 1000 + i);
    decoders[0]?.give(1000);
    pass(60_000);
    expect(feed.counters.restarts).toBe(0);
    expect(feed.running).toBe(true);
  });

  test("a decoder that does not keep up goes on at the next keyframe", () => {
    const { feed, decoders, asked, pass } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    const [first] = decoders;
    if (first) first.full = true;
    feed.frame(frame(false), 1040);
    feed.frame(frame(false), 1080);
    expect(first?.closed).toBe(true);
    pass(40);
    expect(asked).toHaveLength(1);
    feed.frame(frame(true), 1120);
    expect(decoders[1]?.pushed).toHaveLength(1);
    expect(feed.counters.dropped).toBe(2);
  });

  test("of pictures that come faster than they are shown, few are kept, and the newest", () => {
    const { feed, decoders } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    for (let i = 0; i <= 120; i++) decoders[0]?.give(1000 + i * 8);
    const seen = new Set<number | undefined>();
    for (let at = 1000; at < 2100; at += FRAME_MS) seen.add(feed.at(at)?.picture.atMs);
    expect(seen.size).toBeGreaterThan(25);
    expect(feed.at(2200)?.picture.atMs).toBe(1960);
  });

  test("pictures that keep coming late move everything back, and are counted", () => {
    const { feed, decoders, delay, clock } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    clock.now = 1900;
    decoders[0]?.give(1000);
    expect(delay.ms).toBe(300);
    for (let ms = 0; ms <= 500; ms += 100) {
      clock.now = 3500 + ms;
      decoders[0]?.give(3000 + ms);
    }
    expect(delay.ms).toBe(540);
    expect(feed.counters.late).toBe(5);
    expect(feed.at(2990)?.picture.atMs).toBe(1000);
    expect(feed.at(3500)?.picture.atMs).toBe(3500);
  });

  test("what is not wanted any more is decoded a little longer, then it rests", () => {
    const { feed, decoders, pass } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    decoders[0]?.give(1000);
    feed.want(undefined);
    pass(1000);
    feed.frame(frame(false), 1040);
    expect(decoders[0]?.pushed).toHaveLength(2);
    pass(1500);
    expect(decoders[0]?.closed).toBe(true);
    expect(feed.at(5000)).toBeUndefined();
    feed.frame(frame(true), 1080);
    expect(decoders).toHaveLength(1);
  });

  test("closing ends all decoders", async () => {
    const { feed, decoders } = feeding();
    feed.want(SMALL);
    feed.frame(frame(true), 1000);
    feed.frame(frame(true, { rotation: 90 }), 1040);
    await feed.close();
    expect(decoders.map((d) => d.closed)).toEqual([true, true]);
  });
});
