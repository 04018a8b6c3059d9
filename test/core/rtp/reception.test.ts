import { describe, expect, it } from "vitest";
import { Reception } from "../../../src/core/rtp/reception.ts";
import { buildReceiverReport } from "../../../src/core/rtp/rtcp/build.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { type Millis, millis, ntpMid32 } from "../../../src/core/time.ts";

const CLOCK = 8000;
/** Feeds packets of 20 ms each, sent and arriving every 20 ms. */
function stream(r = new Reception(5, CLOCK)) {
  const push = (seq: number, at = seq * 20, timestamp = seq * 160) =>
    r.push(seq & 0xffff, timestamp >>> 0, millis(at));
  return { r, push };
}
const at = (ms: number): Millis => millis(ms);

describe("reception reports (RFC 3550 appendix A.3)", () => {
  it("counts loss of the interval and of all time", () => {
    const { r, push } = stream();
    for (let s = 100; s < 200; s++) if (s % 10 !== 5) push(s);
    expect(r.report(at(4000))).toMatchObject({
      ssrc: 5,
      fractionLost: 25,
      cumulativeLost: 10,
      highestSeq: 199,
    });
    for (let s = 200; s < 300; s++) push(s);
    expect(r.report(at(6000))).toMatchObject({ fractionLost: 0, cumulativeLost: 10, highestSeq: 299 });
    for (let s = 300; s < 400; s += 2) push(s);
    // 99 expected, 50 received: 49 * 256 / 99.
    expect(r.report(at(8000))).toMatchObject({ fractionLost: 126, cumulativeLost: 59 });
    expect(r.lost).toBe(59);
    expect(r.received).toBe(240);
  });

  it("goes negative with duplicates, and reports no loss then", () => {
    const { r, push } = stream();
    for (let s = 0; s < 10; s++) {
      push(s);
      push(s);
    }
    expect(r.report(at(500))).toMatchObject({ fractionLost: 0, cumulativeLost: -10 });
  });

  it("says nothing of loss in an interval into which more came than was due", () => {
    const { r, push } = stream();
    for (const s of [1, 2, 6, 7, 10]) push(s);
    // 10 expected, 5 received.
    expect(r.report(at(200))).toMatchObject({ fractionLost: 128, cumulativeLost: 5, highestSeq: 10 });
    for (const s of [3, 4, 5, 11]) push(s, 220, 160 * s);
    // 1 expected, 4 received: three of the lost ones were only late.
    expect(r.report(at(400))).toMatchObject({ fractionLost: 0, cumulativeLost: 2, highestSeq: 11 });
    push(14, 280);
    // 3 expected, 1 received: 2 * 256 / 3.
    expect(r.report(at(600))).toMatchObject({ fractionLost: 170, cumulativeLost: 4, highestSeq: 14 });
    // Nothing was due.
    expect(r.report(at(800))).toMatchObject({ fractionLost: 0, cumulativeLost: 4 });
  });

  it("counts loss over the wrap of the numbers, in cycles of its own", () => {
    const { r, push } = stream();
    for (const s of [65_530, 65_533, 65_535, 65_538]) push(s);
    // 65530..65538 are 9, of which 4 came: 5 * 256 / 9.
    expect(r.report(at(0))).toMatchObject({ fractionLost: 142, cumulativeLost: 5, highestSeq: 65_538 });
    expect([r.received, r.lost]).toEqual([4, 5]);
  });

  it("keeps the cumulative loss within 24 signed bits", () => {
    const lossy = new Reception(5, CLOCK);
    for (let s = 0; s < 2900 * 3000; s += 3000) lossy.push(s & 0xffff, (s * 160) >>> 0, at(0));
    expect(lossy.report(at(0)).cumulativeLost).toBe(0x7fffff);
    const doubled = new Reception(5, CLOCK);
    for (let i = 0; i < 2 ** 23 + 10; i++) doubled.push(7, 0, at(0));
    expect(doubled.report(at(0)).cumulativeLost).toBe(-0x800000);
    const [parsed] = parseRtcp(buildReceiverReport(1, [lossy.report(at(0)), doubled.report(at(0))])).packets;
    expect(parsed?.type === "rr" && parsed.reports.map((b) => b.cumulativeLost)).toEqual([
      0x7fffff, -0x800000,
    ]);
  });

  it("counts cycles in the highest sequence number", () => {
    const { r, push } = stream();
    for (let s = 65_000; s < 65_000 + 70_000; s++) push(s);
    expect(r.report(at(0))).toMatchObject({ highestSeq: 134_999, cumulativeLost: 0 });
  });

  it("counts packets that were overtaken at the very start", () => {
    const { r, push } = stream();
    for (const s of [65_537, 65_536, 65_535, 65_538]) push(s);
    expect(r.report(at(0))).toMatchObject({ cumulativeLost: 0, highestSeq: 65_538 - 65_536 });
    expect(r.lost).toBe(0);
  });

  it("places restored packets without counting them", () => {
    const { r, push } = stream();
    expect(r.locate(3)).toBeUndefined();
    for (const s of [65_534, 65_537]) push(s);
    expect([65_535, 0, 1, 5].map((s) => r.locate(s))).toEqual([131_071, 131_072, 131_073, 131_077]);
    expect([r.received, r.lost]).toEqual([2, 2]);
  });

  it("has nothing to say before the first packet", () => {
    const { r } = stream();
    expect(r.report(at(9))).toEqual({
      ssrc: 5,
      fractionLost: 0,
      cumulativeLost: 0,
      highestSeq: 0,
      jitter: 0,
      lastSr: 0,
      delaySinceLastSr: 0,
    });
  });

  it("echoes the last sender report with the time since it arrived", () => {
    const { r, push } = stream();
    push(1);
    const ntp = { seconds: 0x12345678, fraction: 0x9abcdef0 };
    r.onSenderReport(ntp, at(1000));
    r.onSenderReport(ntp, at(1400));
    expect(r.report(at(2500))).toMatchObject({
      lastSr: ntpMid32(ntp),
      delaySinceLastSr: 1.5 * 65536,
    });
    r.onSenderReport({ ...ntp, seconds: 0x12345679 }, at(3000));
    expect(r.report(at(3001)).delaySinceLastSr).toBe(66);
  });
});

describe("interarrival jitter (RFC 3550 appendix A.8)", () => {
  it("matches hand-made values", () => {
    const { r, push } = stream();
    push(1, 0);
    push(2, 25);
    // 5 ms late: 40 ticks / 16.
    expect(r.report(at(0)).jitter).toBe(2);
    expect(r.jitterMs).toBeCloseTo(2.5 / 8, 6);
    push(3, 45);
    expect(r.jitterMs).toBeCloseTo((2.5 * 15) / 16 / 8, 6);
    push(4, 55);
    expect(r.jitterMs).toBeCloseTo(((2.5 * 15) / 16 + (80 - (2.5 * 15) / 16) / 16) / 8, 6);
  });

  it("matches hand-made values on the clock of video", () => {
    const r = new Reception(1, 90_000);
    const arrivals = [0, 33, 70, 100];
    for (const [i, ms] of arrivals.entries()) r.push(i, (2 ** 32 - 4000 + 3000 * i) >>> 0, at(ms));
    // D is -30, 330 and -300 ticks: 30/16, then + (330 - 1.875)/16, then + (300 - 22.3828125)/16.
    expect(r.jitterMs * 90).toBeCloseTo(39.73388671875, 6);
    expect(r.report(at(100)).jitter).toBe(39);
  });

  it("ignores the packets that follow in one frame, repeats, and stamps over the wrap", () => {
    const r = new Reception(1, CLOCK);
    const start = 2 ** 32 - 160;
    for (let i = 0; i < 4; i++) {
      for (let k = 0; k < 3; k++) r.push(3 * i + k, (start + 160 * i) >>> 0, millis(20 * i + 5 * k));
      r.push(3 * i, (start + 160 * i) >>> 0, millis(20 * i + 300));
    }
    expect(r.jitterMs).toBe(0);
  });

  it("does not take a clock that jumps for jitter", () => {
    const r = new Reception(1, CLOCK);
    r.push(1, 0, millis(0));
    r.push(2, 100 * CLOCK, millis(20));
    expect(r.jitterMs).toBe(0);
  });
});

describe("a sender that restarts (RFC 3550 appendix A.1)", () => {
  it("drops one packet that is out of place", () => {
    const { r, push } = stream();
    for (let s = 10; s < 20; s++) push(s);
    expect(r.push(40_000, 20 * 160, millis(400))).toBeUndefined();
    expect(push(21)).toBe(65_536 + 21);
    expect(r.epoch).toBe(0);
    expect(r.lost).toBe(1);
  });

  it("takes two consecutive numbers for a restart, above all earlier ones", () => {
    const { r, push } = stream();
    const before = push(50_000) ?? 0;
    push(50_001);
    // The clock runs on; only the numbers start afresh.
    expect(r.push(7, 50_002 * 160, millis(1_000_040))).toBeUndefined();
    const ext = r.push(8, 50_003 * 160, millis(1_000_060)) ?? 0;
    expect(ext & 0xffff).toBe(8);
    expect(ext).toBeGreaterThan(before + 65_536);
    expect(r.epoch).toBe(1);
    expect(r.report(at(0))).toMatchObject({ cumulativeLost: 0, highestSeq: 8 });
    expect([r.received, r.lost]).toEqual([3, 0]);
  });

  it("restarts at once where the timestamp jumps too, without losing the packet", () => {
    const { r, push } = stream();
    push(10);
    expect((r.push(30_000, 0x80000000, millis(220)) ?? 0) & 0xffff).toBe(30_000);
    expect(r.epoch).toBe(1);
  });

  it("keeps what it lost before a restart in the totals", () => {
    const { r, push } = stream();
    for (const s of [10, 11, 14]) push(s);
    r.push(30_000, 0x80000000, millis(1));
    r.push(30_002, 0x80000000, millis(1));
    expect([r.received, r.lost]).toEqual([5, 3]);
  });

  it("takes packets far behind with an old timestamp for late repetitions", () => {
    const { r, push } = stream();
    for (let s = 1000; s < 1400; s++) if (s !== 1100 && s !== 1101) push(s);
    expect(push(1100, 28_001)).toBe(65_536 + 1100);
    expect(push(1101, 28_002)).toBe(65_536 + 1101);
    expect(r.epoch).toBe(0);
    expect(r.lost).toBe(0);
  });

  it.each([
    [3000, 0],
    [3001, 1],
  ])("a step of %d makes %d restart(s)", (step, epochs) => {
    const { r } = stream();
    r.push(100, 0, millis(0));
    r.push(100 + step, 160, millis(20));
    r.push(101 + step, 320, millis(40));
    expect(r.epoch).toBe(epochs);
  });
});
