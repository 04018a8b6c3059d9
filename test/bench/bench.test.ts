import { expect, test } from "vitest";
import { h264 } from "../../src/core/codecs/h264.ts";
import { vp8KeyframeSize } from "../../src/core/codecs/vp8.ts";
import { makeClip } from "./clip.ts";
import { againstPeer, measure, median } from "./measure.ts";
import { rtpJsParse, weriftReceive } from "./peers.ts";
import { childrenOf, parseStat } from "./process-stat.ts";
import { rates } from "./record-cpu.ts";
import { freshArrivals, newReceiver, recordTrace, replay } from "./trace.ts";

const SECONDS = 3;

test("the median is the middle, or the mean of the two in the middle", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("subjects are timed in turns, per unit, without warm-ups and preparations", () => {
  let clock = 0;
  const order: string[] = [];
  const subject = (name: string, costs: number[], units: number) => ({
    prepare: () => {
      clock += 1e6;
    },
    run: () => {
      order.push(name);
      clock += costs.shift() ?? 0;
      return units;
    },
  });
  const timings = measure([subject("a", [900, 10, 30, 20], 10), subject("b", [900, 4, 4, 8], 4)], {
    warmUps: 1,
    runs: 3,
    now: () => clock,
  });
  expect(order.join("")).toBe("abababab");
  expect(timings).toEqual([
    { median: 2, min: 1, units: 10 },
    { median: 1, min: 1, units: 4 },
  ]);
});

test("a ratio below one means less time than the peer", () => {
  const ours = { median: 50, min: 40, units: 1 };
  const theirs = { median: 200, min: 100, units: 1 };
  expect(againstPeer(ours, "peer", theirs)).toEqual({ peer: "peer", peerNsPerPacket: 200, ratio: 0.25 });
});

test("clips are what an encoder gives for 720p of 2.5 Mbit/s, the same every time", () => {
  const vp8 = makeClip("vp8", SECONDS);
  expect(vp8.frames.length).toBe(30 * SECONDS);
  expect(vp8KeyframeSize(vp8.frames[0] ?? new Uint8Array(0))).toEqual({ width: 640, height: 480 });
  const bits = vp8.frames.reduce((n, f) => n + 8 * f.length, 0);
  expect(bits / SECONDS / 2.5e6).toBeCloseTo(1, 1);
  expect(makeClip("vp8", SECONDS).frames[7]).toEqual(vp8.frames[7]);
  const [idr = new Uint8Array(0)] = makeClip("h264", SECONDS).frames;
  const payloads = h264.packetizer().packetize(idr, { keyframe: true, maxPayload: 1100 });
  const frame = h264.depacketizer().join(payloads.map((p) => p.payload));
  expect(frame).toMatchObject({ keyframe: true, width: 494, height: 370 });
});

test.each(["vp8", "h264", "opus", "vp9", "av1", "h265"] as const)(
  "every %s frame of a trace comes out of every replay",
  (codec) => {
    const clip = makeClip(codec, SECONDS);
    const trace = recordTrace(clip, codec, 0);
    const first = replay(newReceiver(trace.media), freshArrivals(trace));
    expect(replay(newReceiver(trace.media), freshArrivals(trace))).toEqual(first);
    // The last 20 ms are on the way still.
    expect(first.frames).toBeGreaterThanOrEqual(clip.frames.length - 2);
    expect(Math.max(...trace.arrivals.map((a) => a.bytes.length))).toBeLessThanOrEqual(1100);
    // werift-rtp knows nothing of H.265.
    expect(weriftReceive(trace)?.run() ?? trace.packets).toBe(trace.packets);
    expect(rtpJsParse(trace).run()).toBe(trace.packets);
  },
);

test("lost packets of a trace come by RTX, and replays restore them every time", () => {
  const clip = makeClip("vp8", SECONDS);
  const trace = recordTrace(clip, "vp8", 0.02);
  expect(trace.arrivals.filter((a) => a.kind === "rtx").length).toBeGreaterThan(5);
  const first = replay(newReceiver(trace.media), freshArrivals(trace));
  expect(first.frames).toBeGreaterThan(0.9 * clip.frames.length);
  expect(replay(newReceiver(trace.media), freshArrivals(trace))).toEqual(first);
});

test("CPU time and parent are read from a stat line, whatever the program is called", () => {
  const line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 123 45 9 9 20 0 11 0 100 1 2";
  expect(parseStat(line)).toEqual({ pid: 42, parent: 7, ticks: 168 });
  expect(parseStat("nonsense")).toBeUndefined();
});

test("the children of a process are found among all", () => {
  const stats = [
    { pid: 2, parent: 1, ticks: 0 },
    { pid: 3, parent: 2, ticks: 0 },
    { pid: 4, parent: 9, ticks: 0 },
  ];
  expect(childrenOf(2, stats)).toEqual([3]);
});

test("rates count packets of all tracks and frames of the video over the longest file", () => {
  const session = {
    files: [{ durationMs: 10_000, tracks: [{}, { width: 1280, height: 720 }] }],
    statistics: [
      {
        tracks: [
          { statistics: { a: { type: "inbound-rtp", packetsReceived: 500 }, c: { type: "codec" } } },
          { statistics: { v: { type: "inbound-rtp", packetsReceived: 2000, framesReceived: 299 } } },
        ],
      },
    ],
  };
  expect(rates(session)).toEqual({ packetsPerSecond: 250, framesPerSecond: 29.9, picture: "1280x720" });
});
