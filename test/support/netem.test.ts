import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/core/random.ts";
import { Netem, type NetworkName, networkProfiles } from "./netem.ts";
import { VirtualClock } from "./virtual-clock.ts";

const COUNT = 6000;

/** Sends numbered packets of 500 bytes, one per millisecond. */
function run(name: NetworkName, seed: number) {
  const clock = new VirtualClock();
  const netem = new Netem<number>(networkProfiles[name], seededRandom(seed));
  const out: { item: number; delay: number }[] = [];
  const push = clock.attach(netem, (item, at) => out.push({ item, delay: at - item }));
  for (let i = 0; i < COUNT; i++) clock.at(i, () => push({ item: i, bytes: 500 }));
  clock.runUntil(COUNT + 10_000);
  return { out, netem };
}

const overtaken = (items: readonly { item: number }[]) =>
  items.filter((x, i) => i > 0 && x.item < (items[i - 1]?.item ?? 0)).length;

describe("the network emulator", () => {
  it("does the same for the same seed", () => {
    const story = (seed: number) => JSON.stringify(run("wifi", seed).out);
    expect(story(3)).toBe(story(3));
    expect(story(3)).not.toBe(story(4));
  });

  it("clean: everything, in order, after the latency", () => {
    const { out } = run("clean", 1);
    expect(out).toHaveLength(COUNT);
    expect(out.every((x, i) => x.item === i && x.delay === 20)).toBe(true);
  });

  it("lossy: loses one in twenty", () => {
    const { out, netem } = run("lossy", 1);
    expect(netem.dropped / COUNT).toBeCloseTo(0.05, 2);
    expect(new Set(out.map((x) => x.item)).size).toBe(COUNT - netem.dropped);
    expect((out.length + netem.dropped) / COUNT).toBeCloseTo(1.01, 2);
  });

  it("bursty: loses in bursts, and its bottleneck delays and drops", () => {
    const { out, netem } = run("bursty", 1);
    expect(netem.dropped / COUNT).toBeGreaterThan(0.2);
    const delays = out.map((x) => x.delay);
    expect(Math.max(...delays)).toBeGreaterThan(200);
    // 100 kB at 3 Mb/s, latency and jitter.
    expect(Math.max(...delays)).toBeLessThanOrEqual(267 + 80);
  });

  it("reordering: overtakes often, while jitter alone never does", () => {
    expect(overtaken(run("reordering", 1).out)).toBeGreaterThan(COUNT / 20);
    expect(overtaken(run("bursty", 1).out)).toBe(0);
  });
});

it("the virtual clock refuses a machine that spins", () => {
  const clock = new VirtualClock();
  const stuck = { push: () => undefined, poll: () => undefined, deadline: clock.now };
  clock.attach(stuck, () => undefined);
  expect(() => clock.runUntil(1)).toThrow("spins");
});
