import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { NackGenerator, type NackOutput } from "../../../src/core/rtp/nack.ts";
import { RttEstimator } from "../../../src/core/rtp/rtt.ts";
import { millis } from "../../../src/core/time.ts";

function rig(o: { rtt?: number; holdMs?: number } = {}) {
  const rtt = new RttEstimator();
  if (o.rtt !== undefined) rtt.onEcho(o.rtt, millis(0));
  const n = new NackGenerator({ rtt, ...(o.holdMs === undefined ? {} : { holdMs: o.holdMs }) });
  const log: { at: number; out: NackOutput }[] = [];
  let now = 0;
  const drain = () => {
    for (let out = n.poll(millis(now)); out; out = n.poll(millis(now))) log.push({ at: now, out });
  };
  /** Runs all deadlines up to `t`. */
  const until = (t: number) => {
    for (let d = n.deadline; d !== undefined && d <= t; d = n.deadline) {
      now = Math.max(now, d);
      drain();
    }
    now = Math.max(now, t);
  };
  const push = (seq: number, t = now) => {
    until(t);
    n.push(seq, millis(now));
    drain();
  };
  const asked = () => log.flatMap(({ out }) => (out.type === "nack" ? out.seqs : []));
  const times = () => log.flatMap(({ at, out }) => (out.type === "nack" ? [at] : []));
  const of = (type: NackOutput["type"]) => log.filter(({ out }) => out.type === type);
  return { n, rtt, log, until, push, asked, times, of };
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("asking for lost packets", () => {
  it("asks for exactly the one lost, wherever it was, over the 16-bit wrap too", () => {
    for (let lost = 65_501; lost < 65_570; lost++) {
      const { push, until, asked, n } = rig({ rtt: 400 });
      for (const s of range(65_500, 65_575)) if (s !== lost) push(s, (s - 65_500) * 5);
      until(385);
      expect(asked()).toEqual([lost]);
      expect(n.missing).toBe(1);
    }
  });

  it.each([1, 20, 449, 450])("asks for a burst of %d in order", (burst) => {
    const { push, until, asked, of } = rig();
    push(1000, 0);
    push(1001 + burst, 5);
    until(20);
    expect(asked()).toEqual(range(1001, 1001 + burst));
    expect(of("overflow")).toEqual([]);
  });

  it.each([451, 5000])("does not chase a burst of %d, but says that a keyframe is needed, once", (burst) => {
    const { push, until, asked, of, n } = rig();
    push(1000, 0);
    push(1002, 1);
    push(1003 + burst, 5);
    for (const s of range(0, 20)) push(1004 + burst + s, 6 + s);
    until(5000);
    expect(of("overflow")).toEqual([{ at: 5, out: { type: "overflow", before: 1003 + burst } }]);
    expect(asked()).toEqual([]);
    expect(n.missing).toBe(0);
  });

  it("gives up as a whole when more than 1000 are missing", () => {
    const { push, of, n } = rig();
    for (const k of range(0, 4)) push(1000 + 400 * k, k);
    expect(of("overflow")).toHaveLength(1);
    expect(n.missing).toBe(0);
    push(2201, 3);
    push(2203, 3);
    expect(n.isMissing(2202)).toBe(true);
  });

  it("asks for what a random loss model dropped, and for nothing else", () => {
    const random = seededRandom(8);
    for (let round = 0; round < 20; round++) {
      const { push, until, asked } = rig({ rtt: 400 });
      const first = 65_536 + randomInt(random, 65_536);
      const lost: number[] = [];
      for (const s of range(0, 300)) {
        if (s > 0 && s < 299 && random() < 0.1) lost.push(first + s);
        else push(first + s, s);
      }
      until(310);
      expect([...asked()].sort((a, b) => a - b)).toEqual(lost);
    }
  });
});

describe("when a packet is asked for", () => {
  it("waits 10 ms for one that was overtaken", () => {
    const { push, until, times, asked } = rig();
    push(1, 0);
    push(3, 1);
    until(10.9);
    expect(times()).toEqual([]);
    push(2, 10.9);
    until(100);
    expect(asked()).toEqual([]);
    push(5, 100);
    until(200);
    expect(times()[0]).toBe(110);
  });

  it("does not wait for one that is three behind the newest", () => {
    const { push, times } = rig();
    push(1, 0);
    push(3, 1);
    push(4, 2);
    expect(times()).toEqual([]);
    push(5, 3);
    expect(times()).toEqual([3]);
  });

  it.each([
    [20, [20, 25, 31.25, 39.0625]],
    [100, [100, 125, 156.25, 195.3125]],
    [400, [400, 400]],
    [5, [20, 25]],
  ])("with a round trip of %d ms repeats after %j", (rtt, gaps) => {
    const { push, until, times } = rig({ rtt, holdMs: 5000 });
    push(1, 0);
    push(3, 0);
    until(1200);
    const t = times();
    expect(t.slice(1, gaps.length + 1).map((x, i) => x - (t[i] ?? 0))).toEqual(gaps);
  });

  it("gives up after ten requests and one more wait, once", () => {
    const { push, until, times, of, n } = rig({ rtt: 20, holdMs: 60_000 });
    push(1, 0);
    push(3, 0);
    until(60_000);
    expect(times()).toHaveLength(10);
    const [gaveUp, ...more] = of("gave-up");
    expect(gaveUp?.out).toEqual({ type: "gave-up", seqs: [2] });
    expect(gaveUp?.at).toBeGreaterThan(times()[9] ?? Number.POSITIVE_INFINITY);
    expect(more).toEqual([]);
    expect(n.deadline).toBeUndefined();
    push(2, 60_001);
    expect(n.recovered(2, millis(60_001))).toBe(false);
  });

  it.each([
    [20, 500, 500],
    [300, 500, 1000],
  ])("with a round trip of %d ms and a hold of %d gives up after %d ms", (rtt, holdMs, expected) => {
    const { push, until, of } = rig({ rtt, holdMs });
    push(1, 0);
    push(3, 7);
    until(5000);
    const at = of("gave-up")[0]?.at ?? 0;
    expect(at).toBeGreaterThanOrEqual(7 + expected);
    expect(at).toBeLessThanOrEqual(7 + expected + 5);
  });

  it("sends what falls due together in one request", () => {
    const { push, until, log } = rig();
    push(0, 0);
    for (const k of range(1, 9)) push(2 * k, k);
    until(30);
    expect(log.length).toBeLessThanOrEqual(4);
  });
});

describe("when a packet comes after all", () => {
  it.each(["plain", "rtx"])("stops asking (%s)", (how) => {
    const { n, push, until, asked } = rig();
    push(1, 0);
    push(3, 0);
    until(10);
    expect(n.isMissing(2)).toBe(true);
    if (how === "plain") push(2, 60);
    else expect(n.recovered(2, millis(60))).toBe(true);
    expect(n.isMissing(2)).toBe(false);
    expect(n.recovered(2, millis(60))).toBe(false);
    until(5000);
    expect(asked()).toEqual([2]);
    expect(n.deadline).toBeUndefined();
  });

  it("survives two lost repeats: the third request is answered", () => {
    const { n, push, until, asked, of } = rig({ rtt: 100 });
    push(1, 0);
    push(3, 0);
    until(300);
    expect(asked()).toEqual([2, 2, 2]);
    n.recovered(2, millis(340));
    until(2000);
    expect(asked()).toHaveLength(3);
    expect(of("gave-up")).toEqual([]);
  });

  it("learns the round trip from an answer to a single request only", () => {
    const one = rig();
    one.push(1, 0);
    one.push(3, 0);
    one.until(10);
    one.n.recovered(2, millis(60));
    expect(one.rtt.ms).toBe(50);
    const two = rig();
    two.push(1, 0);
    two.push(3, 0);
    two.until(111);
    two.n.recovered(2, millis(150));
    expect(two.rtt.measured).toBe(false);
  });
});

describe("what is no longer wanted", () => {
  it("is not asked for: everything below a number, now and later", () => {
    const { n, push, until, asked, of } = rig();
    push(1, 0);
    push(4, 0);
    n.abandonBefore(3);
    until(10);
    expect(asked()).toEqual([3]);
    n.abandonBefore(20);
    push(30, 15);
    until(40);
    expect(asked()).toEqual([3, ...range(20, 30)]);
    n.abandonBefore(31);
    until(5000);
    expect(of("gave-up")).toEqual([]);
    expect(n.deadline).toBeUndefined();
  });

  it("is forgotten with the epoch", () => {
    const { n, push, until, log } = rig();
    push(100, 0);
    push(102, 0);
    n.reset();
    push(3, 1);
    until(3000);
    expect(log).toEqual([]);
  });

  it("is not asked for because the event loop stood still", () => {
    const { n, push, until, asked } = rig();
    push(1, 0);
    push(3, 0);
    n.onStall(200);
    until(205);
    push(2, 205);
    until(1000);
    expect(asked()).toEqual([]);
  });
});
