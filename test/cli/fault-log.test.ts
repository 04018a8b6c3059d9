import { describe, expect, it } from "vitest";
import { FaultLog } from "../../src/cli/fault-log.ts";

describe("fault counts for --verbose", () => {
  it("come every ten seconds, when they have grown", () => {
    const log = new FaultLog();
    const lines: [number, string | undefined][] = [];
    for (let s = 0; s <= 40; s++) {
      const faults = s < 3 ? {} : { "rtp-duplicate": Math.min(s, 15), ...(s > 12 ? { "rtp-late": 1 } : {}) };
      const line = log.push(faults, 1000 * s);
      if (line !== undefined) lines.push([s, line]);
    }
    expect(lines).toEqual([
      [10, "faults: rtp-duplicate 10"],
      [20, "faults: rtp-duplicate 15 (+5), rtp-late 1"],
    ]);
    expect(log.finish()).toBe("faults: rtp-duplicate 15, rtp-late 1");
  });

  it("go on when the child process is replaced", () => {
    const log = new FaultLog();
    log.push({ "rtp-late": 7 }, 0);
    log.push({}, 1000);
    log.push({ "rtp-late": 2, "rtcp-malformed": 1 }, 2000);
    log.push({ "rtp-late": 1 }, 3000);
    expect(log.finish()).toBe("faults: rtp-late 10, rtcp-malformed 1");
  });

  it("say that there were none", () => {
    const log = new FaultLog();
    expect(log.push({}, 0)).toBeUndefined();
    expect(log.push({}, 60_000)).toBeUndefined();
    expect(log.finish()).toBe("faults: none");
  });
});
