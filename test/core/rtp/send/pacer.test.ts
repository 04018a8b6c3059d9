import { describe, expect, it } from "vitest";
import { Pacer } from "../../../../src/core/rtp/send/pacer.ts";
import { type Millis, millis } from "../../../../src/core/time.ts";

/** Drains by deadline until nothing waits; gives the time of every packet. */
function drain<T>(pacer: Pacer<T>, from: Millis): { item: T; at: Millis }[] {
  const out: { item: T; at: Millis }[] = [];
  for (let now = from; ; ) {
    for (let item = pacer.poll(now); item !== undefined; item = pacer.poll(now)) out.push({ item, at: now });
    const next = pacer.deadline;
    if (next === undefined) return out;
    expect(next).toBeGreaterThan(now);
    now = next;
  }
}

describe("the pacer", () => {
  it("spreads a keyframe at 2.5 times the target rate and never lets two packets go together", () => {
    const pacer = new Pacer<number>(1_000_000);
    for (let i = 0; i < 50; i++) pacer.push(i, 1200, "video", millis(1000));
    const sent = drain(pacer, millis(1000));
    expect(sent.map((s) => s.item)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(sent.at(-1)?.at).toBeCloseTo(1000 + (49 * 1200) / 312.5, 3);
    for (let i = 1; i < sent.length; i++)
      expect((sent[i]?.at ?? 0) - (sent[i - 1]?.at ?? 0)).toBeGreaterThan(3.8);
  });

  it("raises the rate so that nothing waits longer than 500 ms", () => {
    const pacer = new Pacer<number>(300_000);
    for (let i = 0; i < 400; i++) pacer.push(i, 1200, "video", millis(0));
    const sent = drain(pacer, millis(0));
    expect(sent.at(-1)?.at).toBeLessThanOrEqual(500);
    expect(sent.at(-1)?.at).toBeGreaterThan(400);
    const perTick = new Map<number, number>();
    for (const s of sent) perTick.set(s.at, (perTick.get(s.at) ?? 0) + 1);
    expect(Math.max(...perTick.values())).toBeLessThanOrEqual(2);
  });

  it("returns to the normal rate once the queue was empty", () => {
    const pacer = new Pacer<number>(1_000_000);
    for (let i = 0; i < 400; i++) pacer.push(i, 1200, "video", millis(0));
    drain(pacer, millis(0));
    for (let i = 0; i < 11; i++) pacer.push(i, 1200, "video", millis(2000));
    expect(drain(pacer, millis(2000)).at(-1)?.at).toBeCloseTo(2000 + (10 * 1200) / 312.5, 3);
  });

  it("lets audio pass at once and repeats before new video", () => {
    const pacer = new Pacer<string>(1_000_000);
    pacer.push("v1", 1200, "video", millis(0));
    pacer.push("v2", 1200, "video", millis(0));
    pacer.push("r1", 1200, "rtx", millis(0));
    pacer.push("a1", 80, "audio", millis(0));
    expect(pacer.poll(millis(0))).toBe("a1");
    expect(pacer.poll(millis(0))).toBe("r1");
    expect(pacer.poll(millis(0))).toBeUndefined();
    pacer.push("a2", 80, "audio", millis(1));
    expect(pacer.deadline).toBeLessThanOrEqual(1);
    expect(pacer.poll(millis(1))).toBe("a2");
    expect(drain(pacer, millis(1)).map((s) => s.item)).toEqual(["v1", "v2"]);
  });

  it("saves no credit while idle and little while the timer is late", () => {
    const pacer = new Pacer<number>(1_000_000);
    pacer.push(0, 1200, "video", millis(0));
    drain(pacer, millis(0));
    for (let i = 0; i < 100; i++) pacer.push(i, 1200, "video", millis(60_000));
    const count = (now: number) => {
      let n = 0;
      while (pacer.poll(millis(now)) !== undefined) n++;
      return n;
    };
    expect(count(60_000)).toBe(1);
    expect(count(60_010)).toBeLessThanOrEqual(3);
    expect(count(60_210)).toBeLessThanOrEqual(7);
  });

  it("forgets what waits when cleared", () => {
    const pacer = new Pacer<number>(1_000_000);
    for (let i = 0; i < 5; i++) pacer.push(i, 1200, i % 2 ? "video" : "audio", millis(0));
    pacer.clear();
    expect(pacer.queued).toBe(0);
    expect(pacer.deadline).toBeUndefined();
    expect(pacer.poll(millis(100))).toBeUndefined();
  });
});
