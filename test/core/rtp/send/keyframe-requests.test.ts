import { describe, expect, it } from "vitest";
import { KeyframeRequests } from "../../../../src/core/rtp/send/keyframe-requests.ts";
import { millis } from "../../../../src/core/time.ts";

describe("requests for keyframes", () => {
  it("honours at most one every 300 ms", () => {
    const r = new KeyframeRequests();
    const honoured = Array.from({ length: 20 }, (_, i) => i * 50).filter((t) => r.onPli(millis(t)));
    expect(honoured).toEqual([0, 300, 600, 900]);
    expect(r.pliCount).toBe(20);
    expect(r.honoured).toBe(4);
  });

  it("takes a repeated FIR number for the same request, per requester", () => {
    const r = new KeyframeRequests();
    expect(r.onFir(7, 0, millis(0))).toBe(true);
    expect(r.onFir(7, 0, millis(1000))).toBe(false);
    expect(r.onFir(8, 0, millis(1000))).toBe(true);
    expect(r.onFir(7, 1, millis(2000))).toBe(true);
    expect(r.onFir(7, 2, millis(2100))).toBe(false);
    expect(r.firCount).toBe(4);
  });

  it("bounds what it remembers of requesters", () => {
    const r = new KeyframeRequests();
    for (let i = 0; i < 10_000; i++) r.onFir(i, 1, millis(0));
    expect(r.honoured).toBe(1);
    expect(r.onFir(3, 1, millis(400))).toBe(true);
  });
});
