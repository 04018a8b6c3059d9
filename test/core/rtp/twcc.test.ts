import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import type { TransportFeedback } from "../../../src/core/rtp/rtcp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { TransportFeedbackGenerator } from "../../../src/core/rtp/twcc.ts";
import { millis } from "../../../src/core/time.ts";

function rig(intervalMs?: number) {
  const g = new TransportFeedbackGenerator({
    sender: 1,
    ...(intervalMs === undefined ? {} : { intervalMs }),
  });
  const feedback: (TransportFeedback & { at: number; bytes: number })[] = [];
  const until = (t: number) => {
    for (let d = g.deadline; d !== undefined && d <= t; d = g.deadline) {
      for (let b = g.poll(d); b; b = g.poll(d)) {
        const parsed = parseRtcp(b);
        expect(parsed.malformed).toBe(0);
        for (const p of parsed.packets)
          if (p.type === "twcc") feedback.push({ ...p, at: d, bytes: b.length });
      }
    }
  };
  const push = (seq: number, t: number) => {
    until(t);
    g.push(seq & 0xffff, 2, millis(t));
  };
  const arrivals = () => feedback.flatMap((f) => f.arrivals);
  return { g, feedback, until, push, arrivals };
}

describe("transport-wide feedback", () => {
  it("reports what arrived and when, 50 ms after the first packet", () => {
    const { push, until, feedback, g } = rig();
    expect(g.deadline).toBeUndefined();
    push(65_534, 1000);
    push(65_535, 1010.25);
    push(1, 1020.5);
    until(2000);
    expect(feedback).toMatchObject([
      {
        at: 1050,
        sender: 1,
        media: 2,
        baseSeq: 65_534,
        count: 4,
        feedbackCount: 0,
        arrivals: [
          { seq: 65_534, ms: 1000 },
          { seq: 65_535, ms: 1010.25 },
          { seq: 1, ms: 1020.5 },
        ],
      },
    ]);
    expect(g.deadline).toBeUndefined();
  });

  it("counts its packets and goes on where it stopped, losses in between included", () => {
    const { push, until, feedback } = rig(100);
    push(10, 0);
    push(11, 5);
    push(15, 150);
    until(1000);
    expect(feedback.map((f) => [f.at, f.baseSeq, f.count, f.feedbackCount])).toEqual([
      [100, 10, 2, 0],
      [250, 12, 4, 1],
    ]);
  });

  it("goes back for a packet that was reported lost and came late", () => {
    const { push, until, feedback } = rig();
    push(10, 0);
    push(12, 2);
    until(50);
    push(11, 60);
    until(200);
    expect(feedback[1]).toMatchObject({
      baseSeq: 11,
      arrivals: [
        { seq: 11, ms: 60 },
        { seq: 12, ms: 2 },
      ],
    });
  });

  it("reports a repeated packet once, with its first arrival", () => {
    const { push, until, arrivals } = rig();
    push(1, 0);
    push(1, 9);
    until(50);
    push(1, 60);
    until(500);
    expect(arrivals()).toEqual([{ seq: 1, ms: 0 }]);
  });

  it.each([
    [8191.75, 1],
    [8192, 2],
    [60_000, 2],
  ])("after %d ms without packets needs %d reports", (gap, reports) => {
    const { g, feedback } = rig();
    g.push(1, 2, millis(0));
    g.push(2, 2, millis(gap));
    for (let b = g.poll(millis(gap)); b; b = g.poll(millis(gap))) {
      for (const p of parseRtcp(b).packets) if (p.type === "twcc") feedback.push({ ...p, at: 0, bytes: 0 });
    }
    expect(feedback).toHaveLength(reports);
    expect(feedback.flatMap((f) => f.arrivals)).toEqual([
      { seq: 1, ms: 0 },
      { seq: 2, ms: gap },
    ]);
  });

  it("splits what does not fit into a datagram", () => {
    const { push, until, feedback, arrivals } = rig();
    for (let i = 0; i < 3000; i++) push(i, i / 100);
    until(100);
    expect(feedback.length).toBeGreaterThan(3);
    for (const f of feedback) expect(f.bytes).toBeLessThanOrEqual(1200);
    expect(arrivals().map((a) => a.seq)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it("says exactly what a random network did, within rounding and one datagram each", () => {
    const random = seededRandom(21);
    for (let round = 0; round < 30; round++) {
      const { push, until, feedback, arrivals } = rig(50 + randomInt(random, 50));
      const model = new Map<number, number>();
      const first = randomInt(random, 65_536);
      const loss = random() ** 2;
      const spread = random() * 60;
      const sent: [number, number][] = [];
      for (let i = 0; i < 1500; i++) {
        if (i === 0 || random() >= loss)
          sent.push([first + i, 1e6 + i * 0.7 + (i === 0 ? 0 : random() * spread)]);
      }
      sent.sort((a, b) => a[1] - b[1]);
      for (const [seq, t] of sent) {
        push(seq, t);
        model.set(seq & 0xffff, t);
      }
      until(2e6);
      for (const f of feedback) expect(f.bytes).toBeLessThanOrEqual(1200);
      const reported = new Map(arrivals().map((a) => [a.seq, a.ms]));
      expect(reported.size).toBe(model.size);
      for (const [seq, t] of model) expect(Math.abs((reported.get(seq) ?? 0) - t)).toBeLessThanOrEqual(0.125);
    }
  });

  it("starts over when the counter moves elsewhere", () => {
    const { push, until, feedback, arrivals } = rig();
    push(100, 0);
    push(20_000, 10);
    until(100);
    push(5000, 200);
    push(5001, 201);
    push(5002, 202);
    until(500);
    expect(feedback.map((f) => [f.baseSeq, f.count])).toEqual([
      [20_000, 1],
      [5001, 2],
    ]);
    expect(arrivals()).toHaveLength(3);
  });

  it("ignores single packets from long ago", () => {
    const { push, until, arrivals } = rig();
    push(30_000, 0);
    push(28_000, 1);
    push(30_001, 2);
    until(100);
    expect(arrivals().map((a) => a.seq)).toEqual([30_000, 30_001]);
  });
});

describe("a stall of the event loop", () => {
  it.each(["before", "after"])("spreads what was read in one burst over it (told %s the burst)", (when) => {
    const { g, push, until, arrivals } = rig();
    for (let i = 0; i < 4; i++) push(i, 10 * i);
    until(80);
    if (when === "before") g.onStall(100, millis(200));
    for (let i = 4; i < 14; i++) push(i, 200 + i / 100);
    if (when === "after") g.onStall(100, millis(201));
    push(14, 230);
    until(300);
    const times = arrivals().map((a) => a.ms);
    expect(times).toHaveLength(15);
    const burst = times.slice(4, 14);
    const end = when === "before" ? 200 : 201;
    for (const [i, t] of burst.entries()) expect(t).toBeCloseTo(end - 100 + 10 * (i + 1), 0);
    expect(times[14]).toBe(230);
  });

  it("leaves arrivals outside of it alone", () => {
    const { g, push, until, arrivals } = rig();
    push(0, 100);
    g.onStall(20, millis(140));
    push(1, 151);
    until(400);
    expect(arrivals().map((a) => a.ms)).toEqual([100, 151]);
  });
});
