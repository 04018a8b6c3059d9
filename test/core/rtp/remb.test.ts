import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/core/random.ts";
import { RembController } from "../../../src/core/rtp/remb.ts";
import { millis } from "../../../src/core/time.ts";
import { Netem } from "../../support/netem.ts";

const options = { ceilingBps: 4_000_000, floorBps: 100_000, transportWide: false };
const SIZE = 1200;

type Path = { readonly bps: (t: number) => number; readonly queueBytes?: number; readonly jitterMs?: number };

/**
 * A sender that always fills what it is told (up to `appBps`) over a bottleneck, and the controller at its end.
 * Returns what was stated, and the share of packets that the bottleneck dropped.
 */
function run(
  path: Path,
  o: { seconds: number; appBps?: number; sendTimes?: boolean; transportWide?: boolean },
) {
  const random = seededRandom(4);
  const controller = new RembController({ ...options, transportWide: o.transportWide ?? false });
  const stated: { at: number; bps: number }[] = [];
  let target = 300_000;
  let nextSend = 0;
  let linkFree = 0;
  const flying: { at: number; sent: number }[] = [];
  let sent = 0;
  let lost = 0;
  let sentBefore = 0;
  let lostBefore = 0;
  for (let t = 0; t < o.seconds * 1000; t++) {
    while (nextSend <= t) {
      sent++;
      const start = Math.max(nextSend, linkFree);
      const bps = path.bps(t);
      if (((start - nextSend) * bps) / 8000 > (path.queueBytes ?? 200_000)) lost++;
      else {
        linkFree = start + (SIZE * 8000) / bps;
        flying.push({ at: linkFree + 20 + random() * (path.jitterMs ?? 2), sent: nextSend });
      }
      nextSend += (SIZE * 8000) / Math.min(target, o.appBps ?? Number.POSITIVE_INFINITY);
    }
    while ((flying[0]?.at ?? Number.POSITIVE_INFINITY) <= t) {
      const p = flying.shift();
      if (p) controller.push(SIZE, o.sendTimes === false ? undefined : p.sent, millis(p.at));
    }
    if (t % 1000 === 999 && sent > sentBefore) {
      controller.onLoss((lost - lostBefore) / (sent - sentBefore), millis(t));
      sentBefore = sent;
      lostBefore = lost;
    }
    const bps = controller.poll(millis(t));
    if (bps !== undefined) {
      stated.push({ at: t, bps });
      target = bps;
    }
  }
  const from = (ms: number) => stated.filter((s) => s.at >= ms).map((s) => s.bps);
  return { stated, from, loss: lost / sent };
}
const average = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;

describe("the ceiling that REMB states", () => {
  it("stays at the ceiling on a wide path, every 500 ms", () => {
    const { stated } = run({ bps: () => 50_000_000, jitterMs: 15 }, { seconds: 10, appBps: 2_500_000 });
    expect(new Set(stated.map((s) => s.bps))).toEqual(new Set([4_000_000]));
    expect(stated).toHaveLength(20);
  });

  it.each([300_000, 1_000_000, 2_500_000])("follows a path of %d bit/s by its delay", (bps) => {
    const { from, loss } = run({ bps: () => bps, queueBytes: 2_000_000 }, { seconds: 60 });
    const settled = from(15_000);
    expect(average(settled)).toBeGreaterThan(0.7 * bps);
    expect(average(settled)).toBeLessThan(1.1 * bps);
    expect(Math.max(...settled)).toBeLessThan(1.5 * bps);
    expect(loss).toBe(0);
  });

  it("follows a shallow path without send times by its loss", () => {
    const o = { seconds: 60, sendTimes: false };
    const { from } = run({ bps: () => 800_000, queueBytes: 10_000 }, o);
    expect(Math.max(...from(20_000))).toBeLessThan(1_300_000);
    expect(Math.min(...from(20_000))).toBeGreaterThan(400_000);
    const widening = { bps: (t: number) => (t < 20_000 ? 800_000 : 20_000_000), queueBytes: 10_000 };
    const { stated } = run(widening, { ...o, seconds: 90 });
    expect(stated.at(-1)?.bps).toBe(4_000_000);
  });

  it("finds back to the ceiling slowly when the path widens", () => {
    const { from, stated } = run({ bps: (t) => (t < 20_000 ? 800_000 : 20_000_000) }, { seconds: 90 });
    expect(Math.max(...from(15_000).slice(0, 5))).toBeLessThan(1_300_000);
    expect(stated.at(-1)?.bps).toBe(4_000_000);
    const reached = stated.find((s) => s.at > 20_000 && s.bps === 4_000_000)?.at ?? 0;
    expect(reached).toBeGreaterThan(30_000);
  });

  it("states a cut at once, but at most one in 500 ms", () => {
    const { stated } = run(
      { bps: (t) => (t < 5250 ? 20_000_000 : 500_000) },
      { seconds: 8, appBps: 3_000_000 },
    );
    const cuts = stated.filter((s, i) => s.bps < (stated[i - 1]?.bps ?? 0));
    expect(cuts[0]?.at).toBeLessThan(5250 + 700);
    for (const [i, c] of cuts.entries()) {
      if (i > 0) expect(c.at - (cuts[i - 1]?.at ?? 0)).toBeGreaterThanOrEqual(499);
    }
  });

  it("never goes below the floor", () => {
    const { from } = run({ bps: () => 60_000, queueBytes: 500_000 }, { seconds: 30 });
    expect(Math.min(...from(0))).toBe(100_000);
  });

  it("is a constant where the sender gets transport-wide feedback", () => {
    const { stated } = run({ bps: () => 300_000 }, { seconds: 10, appBps: 500_000, transportWide: true });
    expect(new Set(stated.map((s) => s.bps))).toEqual(new Set([4_000_000]));
  });

  it("is silent while nothing arrives", () => {
    const c = new RembController(options);
    expect(c.deadline).toBeUndefined();
    c.push(SIZE, 0, millis(10));
    expect(c.poll(millis(10))).toBe(4_000_000);
    expect(c.deadline).toBeUndefined();
    c.push(SIZE, 5, millis(15));
    expect(c.deadline).toBe(510);
    expect(c.poll(millis(509))).toBeUndefined();
  });

  it("does not take a stall of the event loop, or a sender's clock that was set, for a queue", () => {
    const c = new RembController(options);
    for (let t = 0; t < 20_000; t += 5) {
      const stalled = t % 4000 > 3000 && t % 4000 <= 3600;
      if (t % 4000 === 3600) c.onStall(600, millis(t));
      const arrival = stalled ? t + 3600 - (t % 4000) : t;
      c.push(SIZE, t + (t > 10_000 ? 1e6 : 0), millis(arrival + 1));
    }
    expect(c.estimateBps).toBe(4_000_000);
  });

  it("is stable on a network emulator with jitter and little loss", () => {
    const net = new Netem<number>(
      {
        latencyMs: 30,
        jitterMs: 12,
        loss: { good: 0.01, bad: 0, toBad: 0, toGood: 1 },
        duplicate: 0,
        reorder: { probability: 0.01, byMs: 20 },
      },
      seededRandom(6),
    );
    const c = new RembController(options);
    for (let t = 0; t < 20_000; t++) {
      if (t % 5 === 0) net.push({ item: t, bytes: SIZE }, millis(t));
      for (let s = net.poll(millis(t)); s !== undefined; s = net.poll(millis(t))) c.push(SIZE, s, millis(t));
      if (t % 1000 === 0) c.onLoss(0.01, millis(t));
    }
    expect(c.estimateBps).toBe(4_000_000);
  });
});
