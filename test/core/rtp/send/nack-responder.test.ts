import { describe, expect, it } from "vitest";
import { u16 } from "../../../../src/core/bytes.ts";
import { seededRandom } from "../../../../src/core/random.ts";
import { SendHeader } from "../../../../src/core/rtp/send/header.ts";
import { SendHistory, type SentPacket } from "../../../../src/core/rtp/send/history.ts";
import { NackResponder } from "../../../../src/core/rtp/send/nack-responder.ts";
import { RtpSendStream } from "../../../../src/core/rtp/send/stream.ts";
import { type Millis, millis } from "../../../../src/core/time.ts";

function sender() {
  const stream = new RtpSendStream({
    ssrc: 1,
    payloadType: 96,
    clockRate: 90_000,
    start: millis(1000),
    header: new SendHeader({}, {}),
    rtx: { ssrc: 2, payloadType: 97 },
    random: seededRandom(5),
  });
  const responder = new NackResponder(stream);
  const send = (count: number, size: number, now: number): number[] =>
    Array.from({ length: count }, () => {
      const p = stream.packet({
        payload: new Uint8Array(size),
        marker: false,
        mediaTimeUs: 0,
        identify: false,
      });
      stream.sent(p, millis(now));
      responder.mediaSent(p.bytes.length, millis(now));
      return p.seq;
    });
  return { stream, responder, send };
}
/** Original sequence numbers of RTX packets without extensions. */
const originals = (rtx: Uint8Array[]) => rtx.map((b) => u16(b, 12));

describe("answering NACKs", () => {
  it("repeats what was asked for, once per report", () => {
    const { responder, send } = sender();
    const s = send(20, 500, 0);
    const asked = [s[3], s[7], s[3], s[7], s[4]].filter((x) => x !== undefined);
    expect(originals(responder.answer(asked, millis(40), 50))).toEqual([s[3], s[7], s[4]]);
    expect(responder.counters).toMatchObject({ requested: 5, gone: 0, cooling: 2, refused: 0 });
  });

  it.each([
    [5, 25],
    [120, 96],
  ])("with a round trip of %d ms waits %d ms before it repeats a packet again", (rtt, cooldown) => {
    const { responder, send } = sender();
    const s = send(3, 500, 0);
    expect(responder.answer(s.slice(0, 1), millis(100), rtt)).toHaveLength(1);
    expect(responder.answer(s.slice(0, 1), millis(100 + cooldown - 0.1), rtt)).toHaveLength(0);
    expect(responder.answer(s.slice(0, 1), millis(100 + cooldown), rtt)).toHaveLength(1);
  });

  it("repairs a burst that took a whole keyframe of a stream of half a megabit", () => {
    const { responder, send } = sender();
    // 60 kB a second, then a keyframe of 36 kB.
    for (let t = 0; t < 5000; t += 100) send(5, 1200, t);
    const keyframe = send(30, 1200, 5000);
    expect(responder.answer(keyframe, millis(5040), 50)).toHaveLength(30);
    expect(responder.counters.refused).toBe(0);
  });

  it("spends at most a fifth of the media rate on repeats, and recovers", () => {
    const { responder, send } = sender();
    const all: number[] = [];
    for (let t = 0; t < 1000; t += 10) all.push(...send(3, 1188, t));
    const first = responder.answer(all, millis(1000), 20);
    expect(first.length).toBeGreaterThan(50);
    expect(first.length).toBeLessThanOrEqual(60);
    expect(responder.counters.refused).toBe(300 - first.length);
    expect(responder.answer(all, millis(1300), 20)).toHaveLength(0);
    for (let t = 1000; t < 2000; t += 10) all.push(...send(3, 1188, t));
    expect(responder.answer(all.slice(-100), millis(2100), 20).length).toBeGreaterThan(45);
  });

  it("always lets a small stream repair a few packets", () => {
    const { responder, send } = sender();
    const s = send(6, 1000, 0);
    expect(responder.answer(s, millis(30), 20)).toHaveLength(6);
  });

  it("counts numbers it never sent or no longer holds", () => {
    const { responder, send } = sender();
    const s = send(2, 100, 0);
    const last = s[1] ?? 0;
    expect(responder.answer([last + 1, last + 30_000], millis(10), 20)).toHaveLength(0);
    send(1, 100, 5000);
    expect(responder.answer(s, millis(5001), 20)).toHaveLength(0);
    expect(responder.counters.gone).toBe(4);
  });
});

describe("the history of sent packets", () => {
  const packet = (n: number, at: number): SentPacket => ({
    bytes: new Uint8Array(1),
    seq: n & 0xffff,
    timestamp: 0,
    marker: false,
    payloadOffset: 0,
    sentAt: at as Millis,
    resentAt: undefined,
  });

  it("holds the newest packets across the wrap of sequence numbers", () => {
    const h = new SendHistory(1024, 1e9);
    for (let n = 65_000; n < 65_000 + 3000; n++) h.put(packet(n, n));
    const end = 65_000 + 3000;
    for (let n = end - 1024; n < end; n++) expect(h.get(n & 0xffff)?.sentAt).toBe(n);
    expect(h.get((end - 1025) & 0xffff)).toBeUndefined();
    expect(h.get(end & 0xffff)).toBeUndefined();
  });

  it("lets go of packets that are too old", () => {
    const h = new SendHistory(1024, 2000);
    for (let n = 0; n < 100; n++) h.put(packet(n, n * 100));
    expect(h.get(78)).toBeUndefined();
    expect(h.get(79)?.seq).toBe(79);
    h.put(packet(100, 1e6));
    expect(h.get(99)).toBeUndefined();
    h.put(packet(101, 1e6));
    expect([h.get(100)?.seq, h.get(101)?.seq]).toEqual([100, 101]);
  });
});
