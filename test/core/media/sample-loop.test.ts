import { describe, expect, it } from "vitest";
import { RoomtapError } from "../../../src/core/fault.ts";
import type { SampleIndex } from "../../../src/core/media/sample-index.ts";
import { SampleLoop } from "../../../src/core/media/sample-loop.ts";
import type { DueSample } from "../../../src/core/media/sample-source.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { type Millis, millis } from "../../../src/core/time.ts";

/** A clip of `seconds` with `fps` video, a keyframe every `gop` frames, and 20 ms audio. */
function clip(seconds: number, fps: number, gop: number): SampleIndex {
  const video = Array.from({ length: seconds * fps }, (_, i) => ({
    time: Math.round((i * 1e6) / fps),
    size: 1000,
    keyframe: i % gop === 0,
  }));
  const audio = Array.from({ length: seconds * 50 }, (_, i) => ({ time: i * 20_000, size: 80 }));
  return { video, audio, durationUs: seconds * 1e6 };
}

/** Runs the loop by its own deadlines from `from` to `to`. */
function run(loop: SampleLoop, from: Millis, to: number): { due: DueSample; at: number }[] {
  const out: { due: DueSample; at: number }[] = [];
  let now = from;
  while (now <= to) {
    for (let due = loop.poll(now); due; due = loop.poll(now)) out.push({ due, at: now });
    const next = loop.deadline;
    if (next === undefined) break;
    expect(next).toBeGreaterThan(now);
    now = next;
  }
  return out;
}

const contentOf = (index: SampleIndex, d: DueSample) =>
  d.loop * index.durationUs + (index[d.track]?.[d.sampleIndex]?.time ?? Number.NaN);
const only = (all: { due: DueSample; at: number }[], track: "audio" | "video") =>
  all.filter((x) => x.due.track === track);

describe("the looped content clock", () => {
  it("plays every sample of every pass once, at start + n * dt, over the loop boundary", () => {
    const index = clip(2, 30, 30);
    const start = millis(1234.567);
    const all = run(new SampleLoop(index, { start }), start, start + 9_999);
    expect(only(all, "video")).toHaveLength(300);
    expect(only(all, "audio")).toHaveLength(500);
    for (const { due, at } of all) {
      expect(due.mediaTimeUs).toBe(contentOf(index, due));
      expect(at).toBeCloseTo(start + due.mediaTimeUs / 1000, 6);
    }
    const wrap = only(all, "audio").slice(99, 102);
    expect(wrap.map((x) => [x.due.loop, x.due.sampleIndex, x.due.mediaTimeUs])).toEqual([
      [0, 99, 1_980_000],
      [1, 0, 2_000_000],
      [1, 1, 2_020_000],
    ]);
  });

  it("does not drift in an hour of awkward start times", () => {
    const index = clip(1, 30, 30);
    const start = millis(9_876_543.21);
    const loop = new SampleLoop(index, { start });
    let last: DueSample | undefined;
    for (let now = start as number; now <= start + 3_600_000; now += 400)
      for (let d = loop.poll(millis(now)); d; d = loop.poll(millis(now)))
        last = d.track === "video" ? d : last;
    expect(last?.mediaTimeUs).toBe(3_600_000_000);
    expect(loop.stalls).toBe(0);
  });

  it("takes samples of both tracks in order of media time", () => {
    const start = millis(0);
    const all = run(new SampleLoop(clip(1, 30, 30), { start }), start, 3000);
    for (let i = 1; i < all.length; i++)
      expect(all[i]?.due.mediaTimeUs).toBeGreaterThanOrEqual(all[i - 1]?.due.mediaTimeUs ?? 0);
  });

  it("reaches a keyframe within 115 ms of a request, with both tracks continuous in media time", () => {
    const index = clip(10, 30, 60);
    const random = seededRandom(7);
    for (let round = 0; round < 20; round++) {
      const start = millis(round * 0.37);
      const loop = new SampleLoop(index, { start });
      const asked = start + 100 + randomInt(random, 12_000);
      const before = run(loop, start, asked);
      loop.requestKeyframe();
      loop.requestKeyframe();
      const after = run(loop, millis(asked), asked + 2500);
      const key = after.find((x) => x.due.track === "video" && x.due.keyframe);
      expect(key?.at ?? Number.NaN).toBeLessThanOrEqual(asked + 34 + 81);
      const all = [...before, ...after];
      const times = (track: "audio" | "video") => only(all, track).map((x) => x.due.mediaTimeUs);
      expect(times("audio")).toEqual(times("audio").map((_, i) => i * 20_000));
      const video = times("video").map((t, i) => Math.abs(t - (i * 1e6) / 30));
      expect(Math.max(...video)).toBeLessThan(2);
    }
  });

  it("keeps sound and picture at the same content after any number of keyframe requests", () => {
    const index = clip(10, 30, 45);
    const random = seededRandom(11);
    const loop = new SampleLoop(index, { start: millis(0) });
    const seen = new Set<string>();
    let now = millis(0);
    let cuts = 0;
    let shift = { audio: 0, video: 0 };
    for (let i = 0; i < 300; i++) {
      const until = now + 300 + randomInt(random, 500);
      for (const { due } of run(loop, now, until)) {
        const id = `${due.track}/${due.loop}/${due.sampleIndex}`;
        expect(seen.has(id)).toBe(false);
        seen.add(id);
        const s = contentOf(index, due) - due.mediaTimeUs;
        if (due.track === "video" && s !== shift.video) cuts++;
        shift = { ...shift, [due.track]: s };
        // The tracks switch at the same media time, so between cuts their shifts agree.
        if (due.track === "audio") expect(Math.abs(shift.audio - shift.video)).toBeLessThanOrEqual(2);
      }
      now = millis(until);
      loop.requestKeyframe();
    }
    expect(cuts).toBeGreaterThan(100);
  });

  it("stays within half an audio frame where the frame rates share no cut", () => {
    const video = Array.from({ length: 120 }, (_, i) => ({
      time: i * 41_709,
      size: 1,
      keyframe: i % 24 === 0,
    }));
    // The last audio frame of a pass is followed by 25.08 ms, so half a frame can be 12.54 ms.
    const audio = Array.from({ length: 250 }, (_, i) => ({ time: i * 20_000, size: 1 }));
    const index = { video, audio, durationUs: 5_005_080 };
    const loop = new SampleLoop(index, { start: millis(0) });
    let now = 0;
    const shift = { audio: 0, video: 0 };
    for (let i = 0; i < 200; i++) {
      for (const { due } of run(loop, millis(now), now + 457)) {
        shift[due.track] = contentOf(index, due) - due.mediaTimeUs;
        if (due.track === "audio") expect(Math.abs(shift.audio - shift.video)).toBeLessThanOrEqual(12_600);
      }
      now += 457;
      loop.requestKeyframe();
    }
    expect(shift.video).toBeGreaterThan(0);
  });

  it("does not cut when a keyframe is next anyway", () => {
    const index = clip(2, 25, 25);
    const loop = new SampleLoop(index, { start: millis(0) });
    run(loop, millis(0), 930);
    loop.requestKeyframe();
    const next = only(run(loop, millis(931), 1100), "video").map((x) => x.due.sampleIndex);
    expect(next).toEqual([24, 25, 26, 27]);
  });

  it("goes on to the next pass when no keyframe is left in this one", () => {
    const index = clip(4, 25, 1000);
    const loop = new SampleLoop(index, { start: millis(0) });
    run(loop, millis(0), 500);
    loop.requestKeyframe();
    const [first] = only(run(loop, millis(501), 600), "video");
    expect(first?.due).toMatchObject({ loop: 1, sampleIndex: 0, keyframe: true, mediaTimeUs: 520_000 });
  });

  it("sends what a short stall delayed, in order and complete", () => {
    const loop = new SampleLoop(clip(2, 25, 25), { start: millis(0) });
    run(loop, millis(0), 1000);
    const late = run(loop, millis(1400), 1400);
    expect(only(late, "video").map((x) => x.due.sampleIndex)).toEqual([
      26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
    ]);
    expect(only(late, "audio")).toHaveLength(20);
    expect(loop.stalls).toBe(0);
  });

  it("drops what a long stall missed, resumes on time with a keyframe, and keeps the tracks together", () => {
    const index = clip(10, 30, 60);
    const loop = new SampleLoop(index, { start: millis(0) });
    run(loop, millis(0), 1000);
    const after = run(loop, millis(4_730), 5_500);
    expect(loop.stalls).toBe(1);
    expect(after.filter((x) => x.at === 4_730).length).toBeLessThanOrEqual(2);
    const video = only(after, "video");
    const audio = only(after, "audio");
    expect(video[0]?.due).toMatchObject({ keyframe: true, resumed: true });
    expect(audio[0]?.due.resumed).toBe(true);
    expect(video[1]?.due.resumed).toBe(false);
    for (const { due, at } of after) expect(at).toBeCloseTo(due.mediaTimeUs / 1000, 6);
    const v = video[3]?.due;
    const a = audio[6]?.due;
    if (!v || !a) throw new Error("nothing was sent");
    const skew = contentOf(index, v) - v.mediaTimeUs - (contentOf(index, a) - a.mediaTimeUs);
    expect(Math.abs(skew)).toBeLessThanOrEqual(10_000);
  });

  it("survives a stall of days and a stall with a cut under way", () => {
    const loop = new SampleLoop(clip(2, 25, 25), { start: millis(0) });
    run(loop, millis(0), 500);
    loop.requestKeyframe();
    const at = 3 * 86_400_000 + 17;
    const [first] = only(run(loop, millis(at), at + 100), "video");
    expect(first?.due.keyframe).toBe(true);
    expect((first?.due.mediaTimeUs ?? 0) / 1000).toBeGreaterThanOrEqual(at);
  });

  it("plays audio alone and video alone", () => {
    const { video, audio, durationUs } = clip(1, 25, 25);
    const a = new SampleLoop({ ...(audio && { audio }), durationUs }, { start: millis(0) });
    a.requestKeyframe();
    expect(run(a, millis(0), 999)).toHaveLength(50);
    const v = new SampleLoop({ ...(video && { video }), durationUs }, { start: millis(0) });
    run(v, millis(0), 500);
    v.requestKeyframe();
    expect(run(v, millis(501), 540)[0]?.due).toMatchObject({ loop: 1, sampleIndex: 0 });
    expect(new SampleLoop({ durationUs }, { start: millis(0) }).deadline).toBeUndefined();
  });

  it("refuses clips whose samples are out of order, too long, or start without a keyframe", () => {
    const frame = (time: number, keyframe = true) => ({ time, size: 1, keyframe });
    const bad: SampleIndex[] = [
      { video: [frame(0), frame(0)], durationUs: 10 },
      { video: [frame(0), frame(10)], durationUs: 10 },
      { video: [frame(0, false)], durationUs: 10 },
      { audio: [], durationUs: 10 },
    ];
    for (const index of bad) expect(() => new SampleLoop(index, { start: millis(0) })).toThrow(RoomtapError);
  });
});
