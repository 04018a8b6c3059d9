import { describe, expect, it } from "vitest";
import { LayerSelector } from "../../../src/core/media/layer-selector.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";
import { type ModelLayer, SimulcastModel } from "./simulcast-model.ts";

const LOW = 1;
const MID = 2;
const TOP = 3;

function layers(): Record<"low" | "mid" | "top", ModelLayer> {
  return {
    low: { ssrc: LOW, rid: "q", width: 320, height: 180, delayMs: 20, on: true },
    mid: { ssrc: MID, rid: "h", width: 640, height: 360, delayMs: 24, on: true },
    top: { ssrc: TOP, rid: "f", width: 1280, height: 720, delayMs: 31, on: true },
  };
}

function call(l = layers()): SimulcastModel {
  return new SimulcastModel([l.low, l.mid, l.top]);
}

/** What every output owes a decoder and a container. */
function expectDecodable(m: SimulcastModel): void {
  let ssrc: number | undefined;
  let last = Number.NEGATIVE_INFINITY;
  for (const p of m.passed) {
    if (p.ssrc !== ssrc) expect(p.frame.keyframe).toBe(true);
    expect(p.frame.local).toBeGreaterThan(last);
    ssrc = p.ssrc;
    last = p.frame.local;
  }
  expect(m.passed.length).toBeGreaterThan(0);
}

describe("choosing a layer", () => {
  it("begins with the best layer, though the smallest comes first, and loses no frame of it", () => {
    const m = call();
    m.run(3000);
    expect(m.order).toEqual([TOP]);
    expect(m.passed[0]?.frame.local).toBe(0);
    expect(m.longestGap()).toBeLessThan(34);
    expect(m.requests).toEqual([]);
    const { passed, dropped } = m.selector.statistics();
    expect(passed).toBe(m.passed.length);
    expect(Math.abs(dropped - 2 * passed)).toBeLessThanOrEqual(2);
    expectDecodable(m);
  });

  it("changes up at the keyframes that layers begin with, one after the other", () => {
    const l = layers();
    l.mid.on = false;
    l.top.on = false;
    const m = call(l);
    m.run(2000);
    l.mid.on = true;
    m.run(1000);
    l.top.on = true;
    m.run(1000);
    expect(m.order).toEqual([LOW, MID, TOP]);
    expect(m.requests).toEqual([]);
    expect(m.longestGap()).toBeLessThan(68);
    expect(m.selector.statistics()).toMatchObject({ upSwitches: 2, downSwitches: 0, selected: TOP });
    expectDecodable(m);
  });

  it("asks a better layer for a keyframe when that was missed, and shows the old one until it comes", () => {
    const l = layers();
    l.top.stuck = true;
    const m = call(l);
    m.run(3000);
    expect(m.order).toEqual([MID]);
    l.top.stuck = false;
    m.run(1000);
    expect(m.requests.map((r) => r.ssrc)).toEqual([TOP]);
    expect(m.order).toEqual([MID, TOP]);
    expect(m.longestGap()).toBeLessThan(68);
    expectDecodable(m);
  });

  it("goes by the sizes in keyframes, also when they change", () => {
    const l = layers();
    const m = call(l);
    m.run(2000);
    Object.assign(l.top, { width: 480, height: 270 });
    m.refresh();
    m.run(2000);
    expect(m.order).toEqual([TOP, MID]);
    Object.assign(l.top, { width: 1280, height: 720 });
    m.refresh();
    m.run(2000);
    expect(m.order).toEqual([TOP, MID, TOP]);
    expectDecodable(m);
  });

  it("does not trouble other layers when all of them shrink together", () => {
    const l = layers();
    const m = call(l);
    m.run(2000);
    for (const layer of Object.values(l)) {
      layer.width /= 2;
      layer.height /= 2;
    }
    m.refresh();
    m.run(2000);
    expect(m.order).toEqual([TOP]);
    expect(m.requests).toEqual([]);
  });

  it("tells layers of one size apart by what they cost", () => {
    const selector = new LayerSelector();
    const frame = (local: number, keyframe: boolean) => ({
      ...{ codec: "vp8" as const, data: new Uint8Array(100), keyframe, local: millis(local) },
      ...{ rtpTime: local * 90, lostBefore: 0, ...(keyframe ? { width: 640, height: 360 } : {}) },
    });
    const asked: number[] = [];
    for (const ssrc of [TOP, LOW]) selector.add(ssrc, undefined, millis(0));
    for (let t = 0; t <= 4000; t += 40) {
      for (const ssrc of [TOP, LOW]) {
        selector.packet(ssrc, ssrc === TOP ? 3000 : 1000, millis(t + 10));
        selector.push(ssrc, frame(t, t === 0), millis(t + 10));
        for (let o = selector.poll(millis(t + 10)); o; o = selector.poll(millis(t + 10)))
          if (o.t === "keyframe") asked.push(o.ssrc);
      }
    }
    expect(selector.statistics().selected).toBe(LOW);
    expect(asked).toEqual([TOP]);
  });
});

describe("a layer that falls silent", () => {
  it("is followed by the next best one without a hole of half a second, and comes back", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    l.top.on = false;
    m.run(3000);
    expect(m.order).toEqual([TOP, MID]);
    expect(m.longestGap()).toBeLessThanOrEqual(400);
    l.top.on = true;
    m.run(3000);
    expect(m.order).toEqual([TOP, MID, TOP]);
    expect(m.longestGap(6000)).toBeLessThan(68);
    expect(m.selector.statistics()).toMatchObject({ upSwitches: 1, downSwitches: 1 });
    expectDecodable(m);
  });

  it("is followed by the last one left when two die at once", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    l.top.on = false;
    l.mid.on = false;
    m.run(2000);
    expect(m.order).toEqual([TOP, LOW]);
    expect(m.longestGap()).toBeLessThanOrEqual(500);
    expectDecodable(m);
  });

  it("is asked for again ever more rarely when it comes and goes", () => {
    const l = layers();
    const m = call(l);
    m.run(2000);
    for (let i = 0; i < 40; i++) {
      l.top.on = i % 2 === 1;
      m.run(1500);
    }
    expect(m.selector.statistics().downSwitches).toBeLessThanOrEqual(8);
    expect(m.longestGap()).toBeLessThanOrEqual(500);
    expectDecodable(m);
  });

  it("is waited for when all are silent: the path stands still, not the layer", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    for (const layer of Object.values(l)) layer.on = false;
    m.run(4000);
    for (const layer of [l.low, l.mid, l.top]) {
      layer.on = true;
      m.run(40);
    }
    m.run(2000);
    expect(m.order).toEqual([TOP]);
    expectDecodable(m);
  });

  it("gives way to a small layer that returns alone after a pause, from its first frame on", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    for (const layer of Object.values(l)) layer.on = false;
    m.run(5000);
    l.low.on = true;
    m.run(2000);
    expect(m.order).toEqual([TOP, LOW]);
    const resumed = m.passed.find((p) => p.ssrc === LOW);
    expect(resumed?.frame.local).toBeLessThan(8040);
    expect(m.longestGap(8000)).toBeLessThan(34);
    expectDecodable(m);
  });

  it("is not given up for being slow, up to a second between frames", () => {
    const l = layers();
    l.top.every = 20;
    const m = call(l);
    m.run(10_000);
    expect(m.order).toEqual([TOP]);
    // The one before its pace was known.
    expect(m.requests.length).toBeLessThanOrEqual(1);
  });

  it("is given up when its packets come but nothing whole for long, from where it stopped", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    l.top.stuck = true;
    m.run(3000);
    expect(m.order).toEqual([TOP, MID]);
    expect(m.longestGap()).toBeLessThanOrEqual(800);
    expectDecodable(m);
  });

  it("leaves no hole when it recovers with a keyframe after long: the reserve fills it", () => {
    const l = layers();
    const m = call(l);
    m.run(3000);
    l.top.stuck = true;
    m.run(1100);
    l.top.stuck = false;
    m.refresh();
    m.run(1000);
    expect(m.order).toEqual([TOP, MID, TOP]);
    expect(m.longestGap()).toBeLessThanOrEqual(800);
    expectDecodable(m);
  });
});

describe("the clocks of layers", () => {
  it("differ by some milliseconds and time still grows", () => {
    const l = layers();
    l.low.skewMs = 12;
    l.top.skewMs = -25;
    const m = call(l);
    for (let i = 0; i < 6; i++) {
      l.top.on = i % 2 === 0;
      m.run(4000);
    }
    expect(m.order.length).toBeGreaterThanOrEqual(5);
    expectDecodable(m);
  });

  it("differ by too much: the layer is not taken, and rarely asked", () => {
    const l = layers();
    l.top.on = false;
    const m = call(l);
    m.run(2000);
    l.top.skewMs = -3000;
    l.top.on = true;
    m.run(20_000);
    expect(m.order).toEqual([MID]);
    expect(m.requests.length).toBeLessThanOrEqual(5);
    expect(m.longestGap()).toBeLessThan(34);
  });
});

describe("layers that end", () => {
  it("goes on with another layer when the selected one says goodbye", () => {
    const l = layers();
    const m = call(l);
    m.run(2000);
    l.top.on = false;
    m.selector.remove(TOP, millis(m.now));
    m.run(1000);
    expect(m.order).toEqual([TOP, MID]);
    expect(m.longestGap()).toBeLessThanOrEqual(200);
    expectDecodable(m);
  });

  it("goes on with a new SSRC of the same RID at its first keyframe", () => {
    const l = layers();
    const next: ModelLayer = { ...l.top, ssrc: 13, on: false };
    const m = new SimulcastModel([l.low, l.mid, l.top, next]);
    m.run(2000);
    l.top.on = false;
    next.on = true;
    m.run(2000);
    expect(m.order).toEqual([TOP, 13]);
    expect(m.longestGap()).toBeLessThan(68);
    expect(m.selector.statistics().layers).toBe(3);
    expectDecodable(m);
  });

  it("hands out what it has when the track ends before the start was decided", () => {
    const m = call();
    m.run(200);
    expect(m.passed).toEqual([]);
    m.selector.flush(millis(200));
    m.run(10);
    expect(m.order).toEqual([TOP]);
    expectDecodable(m);
  });
});

it("says which streams may ask for keyframes", () => {
  const l = layers();
  const m = call(l);
  m.run(100);
  expect([LOW, MID, TOP, 99].map((ssrc) => m.selector.wants(ssrc))).toEqual([true, true, true, false]);
  m.run(1900);
  expect([LOW, MID, TOP].map((ssrc) => m.selector.wants(ssrc))).toEqual([false, false, true]);
  l.top.on = false;
  m.run(330);
  expect([LOW, MID, TOP].map((ssrc) => m.selector.wants(ssrc))).toEqual([false, true, true]);
});

it("never freezes while a layer flows, whatever the layers do", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 20; round++) {
    const l = layers();
    const all = [l.low, l.mid, l.top];
    const m = call(l);
    m.run(2500);
    for (let i = 0; i < 30; i++) {
      const layer = all[randomInt(random, 3)];
      if (layer) layer.on = !layer.on;
      // One of them flows at all times.
      if (!all.some((x) => x.on)) l.low.on = true;
      m.run(100 + randomInt(random, 2000));
    }
    expectDecodable(m);
    expect(m.longestGap()).toBeLessThanOrEqual(1300);
  }
});
