import { describe, expect, it } from "vitest";
import type { TransportFeedback } from "../../../../src/core/rtp/rtcp/packet.ts";
import { ByteWindow } from "../../../../src/core/rtp/send/byte-window.ts";
import { RemoteView, roundTripMs } from "../../../../src/core/rtp/send/remote-view.ts";
import { TransportCcSender } from "../../../../src/core/rtp/send/transport-cc-out.ts";
import { millis } from "../../../../src/core/time.ts";

/** Feedback about `arrived.length` packets from `baseSeq` on. */
const feedback = (baseSeq: number, arrived: boolean[]): TransportFeedback => ({
  type: "twcc",
  sender: 1,
  media: 2,
  baseSeq,
  count: arrived.length,
  feedbackCount: 0,
  arrivals: arrived.flatMap((here, i) => (here ? [{ seq: (baseSeq + i) & 0xffff, ms: i }] : [])),
});

describe("transport-wide sequence numbers", () => {
  it("count over the 16-bit boundary and account for every packet", () => {
    const t = new TransportCcSender(65_500);
    const seqs = Array.from({ length: 100 }, (_, i) => t.stamp(millis(i * 10)));
    expect(seqs[0]).toBe(65_500);
    expect(seqs[99]).toBe(63);
    t.onFeedback(
      feedback(
        65_500,
        seqs.map((_, i) => i % 10 !== 0),
      ),
      millis(1030),
    );
    expect([t.sent, t.arrived, t.lost]).toEqual([100, 90, 10]);
    expect(t.rttMs).toBe(40);
  });

  it("count a packet once, and take back a loss that was only late", () => {
    const t = new TransportCcSender();
    for (let i = 0; i < 4; i++) t.stamp(millis(i));
    t.onFeedback(feedback(0, [true, false, true, false]), millis(50));
    t.onFeedback(feedback(0, [true, true, true, false]), millis(60));
    expect([t.arrived, t.lost]).toEqual([3, 1]);
    expect(t.rttMs).toBe(48);
  });

  it("ignore numbers that were never sent or are long forgotten", () => {
    const t = new TransportCcSender(100);
    t.onFeedback(feedback(90, Array(30).fill(true)), millis(0));
    for (let i = 0; i < 20_000; i++) t.stamp(millis(i));
    t.onFeedback(feedback(100, Array(50).fill(true)), millis(20_000));
    t.onFeedback(feedback(100 + 20_000, Array(50).fill(true)), millis(20_000));
    expect([t.arrived, t.lost, t.rttMs]).toEqual([0, 0, undefined]);
  });
});

describe("what receivers report about our streams", () => {
  const report = {
    ssrc: 1,
    highestSeq: 0,
    fractionLost: 64,
    cumulativeLost: -2,
    jitter: 900,
    lastSr: 0,
    delaySinceLastSr: 0,
  };

  it("gives loss, jitter and a round trip without the receiver's own delay", () => {
    const v = new RemoteView(90_000);
    expect([v.rttMs, v.fractionLost, v.packetsLost, v.jitterMs]).toEqual(Array(4).fill(undefined));
    v.onReport({ ...report, lastSr: 0xffff_0000, delaySinceLastSr: 65_536 }, 0x8000 + 0x2000);
    expect(v.rttMs).toBeCloseTo(625, 6);
    expect([v.fractionLost, v.packetsLost, v.jitterMs]).toEqual([0.25, -2, 10]);
  });

  it("keeps the round trip when a report echoes nothing or nonsense", () => {
    const v = new RemoteView(90_000);
    v.onReport({ ...report, lastSr: 65_536, delaySinceLastSr: 0 }, 65_536 + 6553.6);
    for (const r of [
      report,
      { ...report, lastSr: 5, delaySinceLastSr: 0 },
      { ...report, lastSr: 70_000_000 },
    ])
      v.onReport(r, 60_000_000);
    expect(v.rttMs).toBeCloseTo(100, 1);
    expect(roundTripMs(1000, 1000, 20)).toBe(0);
    expect(roundTripMs(1000, 1000, 65_536)).toBeUndefined();
  });
});

describe("octets of the last second", () => {
  it("come and go in tenths of a second", () => {
    const w = new ByteWindow();
    for (let t = 5000; t < 6000; t += 100) w.add(10, millis(t));
    expect(w.total(millis(5999))).toBe(100);
    expect(w.total(millis(6000))).toBe(90);
    expect(w.total(millis(6550))).toBe(40);
    expect(w.total(millis(60_000))).toBe(0);
    w.add(7, millis(60_000));
    expect(w.total(millis(60_900))).toBe(7);
  });
});
