import { describe, expect, test } from "vitest";
import { StartGate } from "../../../src/core/media/start-gate.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";

/** When the gate opens for frames captured each `every` ms that arrive at `arrival(t)`; undefined: never. */
function opens(every: number, arrival: (t: number) => number): number | undefined {
  const gate = new StartGate(90_000);
  for (let t = 0; t < 20_000; t += every) if (gate.push(t * 90, millis(arrival(t)))) return arrival(t);
  return undefined;
}

describe("the gate before live packets", () => {
  test("opens after five intervals at the pace of the timestamps", () => {
    expect(opens(20, (t) => t)).toBe(100);
    expect(opens(40, (t) => t + 7 * Math.sin(t))).toBeLessThan(240);
  });

  test("opens within two seconds whatever the jitter", () => {
    for (let seed = 1; seed < 50; seed++) {
      const random = seededRandom(seed);
      let last = 0;
      const at = opens(20, (t) => {
        last = Math.max(last, t + 200 * random());
        return last;
      });
      expect(at).toBeLessThan(2300);
    }
  });

  test.each([2, 5, 100])("stays shut while a server replays at %i times the pace", (pace) => {
    // A second and a half of the past, until the live packets are reached.
    const caughtUp = 1500 / (1 - 1 / pace);
    const at = opens(20, (t) => Math.max(t, 1500 + t / pace)) ?? 0;
    expect(at).toBeGreaterThan(Math.min(caughtUp, 3500) - 60);
    expect(at).toBeLessThanOrEqual(3520);
  });

  test("looks at each timestamp once, in order", () => {
    const gate = new StartGate(90_000);
    for (let i = 0; i < 100; i++) expect(gate.push(5, millis(i))).toBe(false);
    for (let i = 0; i < 100; i++) expect(gate.push(5 - i, millis(100 + i))).toBe(false);
    expect(gate.open).toBe(false);
  });
});
