import { describe, expect, it } from "vitest";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { SequenceTracker } from "../../../src/core/rtp/sequence.ts";

const CLOCK = 90_000;

describe("extended sequence numbers", () => {
  it.each([0, 65_500, 65_535])("grow by one over two wraps from %i on", (start) => {
    const t = new SequenceTracker(CLOCK);
    const first = t.accept(start, 0) ?? 0;
    let wrong = 0;
    for (let i = 1; i < 2.5 * 65_536; i++)
      if (t.accept((start + i) & 0xffff, (i * 3000) >>> 0) !== first + i) wrong++;
    expect(wrong).toBe(0);
    expect(t.epoch).toBe(0);
    expect(t.expected).toBe(2.5 * 65_536);
    expect(t.reported).toBe(start + 2.5 * 65_536 - 1);
  });

  it("equal those of a model with gaps, reordering, copies and wraps", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const t = new SequenceTracker(CLOCK);
      let wrong = 0;
      let newest = randomInt(random, 65_536);
      const offset = (t.accept(newest, newest * 900) ?? 0) - newest;
      for (let i = 0; i < 20_000; i++) {
        const kind = random();
        let n = newest + 1;
        if (kind < 0.02) n += randomInt(random, 2999);
        else if (kind < 0.1) n -= 1 + randomInt(random, 100);
        if (n < 0) continue;
        if (t.accept(n & 0xffff, (n * 900) >>> 0) !== n + offset) wrong++;
        newest = Math.max(newest, n);
      }
      expect(wrong).toBe(0);
      expect(t.newest).toBe(newest + offset);
      expect(t.epoch).toBe(0);
    }
  });

  it("keep their order when the first packets were overtaken", () => {
    const t = new SequenceTracker(CLOCK);
    const third = t.accept(1, 6000) ?? 0;
    expect(t.accept(0xffff, 0)).toBe(third - 2);
    expect(t.accept(0, 3000)).toBe(third - 1);
    expect(t.expected).toBe(3);
  });
});
