import { describe, expect, it } from "vitest";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import type { MediaPacket } from "../../../src/core/media/assembled-frame.ts";
import { millis } from "../../../src/core/time.ts";
import { ReceiverPath, rtp, rtx, type SentFrame, vp8Stream } from "./receiver-path.ts";
import { Sender, vp8Frame } from "./stream.ts";

const FRAME_MS = 33;
const RTT_MS = 50;

/** Sends a stream in which some packets are lost on the way; `repairMs`: how long the answer to a NACK takes. */
function send(
  stream: readonly SentFrame[],
  isLost: (p: MediaPacket) => boolean,
  o: { repairMs?: number; repairIsLost?: (p: MediaPacket, time: number) => boolean } = {},
): ReceiverPath {
  const path = new ReceiverPath(undefined, o.repairMs);
  const sent = new Map(stream.flatMap((f) => f.packets.map((p) => [p.extSeq & 0xffff, p])));
  const asked = new Map<number, number>();
  let repairs = 0;
  path.onNack = (seqs, at) => {
    if (o.repairMs === undefined) return;
    for (const seq of seqs) {
      const p = sent.get(seq);
      if (!p) throw new Error(`asked for ${seq}, which was never sent`);
      const time = (asked.get(seq) ?? 0) + 1;
      asked.set(seq, time);
      if (!o.repairIsLost?.(p, time)) path.later(rtx(p, repairs++), at + o.repairMs);
    }
  };
  for (const [n, f] of stream.entries()) {
    for (const p of f.packets) if (!isLost(p)) path.deliver(rtp(p), n * FRAME_MS);
  }
  path.until(stream.length * FRAME_MS + 3000);
  path.flush();
  return path;
}

/** Numbers of the frames that came out; -1: one that was not sent, or not after the one before. */
function numbers(path: ReceiverPath, stream: readonly SentFrame[]): number[] {
  let from = 0;
  return path.frames.map((f) => {
    const n = stream.findIndex((s, i) => i >= from && Buffer.compare(s.data, f.data) === 0);
    from = n + 1;
    return n;
  });
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("a packet that is lost", () => {
  /** The numbers wrap in the middle. */
  const stream = vp8Stream(20, { seq: 65_536 + 65_510 });
  const all = stream.flatMap((f) => f.packets);

  it("anywhere, over the wrap too, is asked for and leaves no trace", () => {
    for (const lost of all.slice(1, -1)) {
      const path = send(stream, (p) => p === lost, { repairMs: RTT_MS });
      // A second request may cross the answer to the first.
      expect(path.asked.length).toBeLessThanOrEqual(2);
      expect([...new Set(path.asked)]).toEqual([lost.extSeq & 0xffff]);
      expect(numbers(path, stream)).toEqual(range(0, 20));
      expect(path.plis).toEqual([]);
    }
  });

  it("at the very beginning cannot be known of: a keyframe is asked for", () => {
    const path = send(stream, (p) => p === all[0], { repairMs: RTT_MS });
    expect(path.asked).toEqual([]);
    expect(path.plis.length).toBeGreaterThan(0);
    expect(path.frames).toEqual([]);
  });
});

/**
 * Sends video until two seconds after the loss of `burst` packets from the 200th on, each packet of 1000 octets, ten
 * a frame. The sender answers a PLI with a keyframe 100 ms later, and no NACK.
 */
function burstLoss(burst: number) {
  const path = new ReceiverPath();
  const sender = new Sender(vp8, { seq: 65_536 + 65_400 });
  const sent: SentFrame[] = [];
  const first = sender.seq + 200;
  let keyAt: number | undefined;
  path.onPli = (at) => {
    keyAt ??= at + 100;
  };
  for (let n = 0; sender.seq < first + burst + 10 * 60; n++) {
    const at = n * FRAME_MS;
    path.until(at);
    const keyframe = n === 0 || (keyAt !== undefined && at >= keyAt);
    if (keyframe) keyAt = undefined;
    const data = vp8Frame(n, keyframe, 9500);
    const packets = sender.frame(data, keyframe);
    sent.push({ data, keyframe, packets });
    for (const p of packets) if (p.extSeq < first || p.extSeq >= first + burst) path.deliver(rtp(p));
  }
  path.flush();
  const lost = range(first, first + burst).map((s) => s & 0xffff);
  return { path, sent, lost, came: numbers(path, sent) };
}

describe("a burst of packets that never come again", () => {
  it.each([20, 450])("of %i is asked for whole, then given up with one PLI", (burst) => {
    const { path, sent, lost, came } = burstLoss(burst);
    expect([...new Set(path.asked)].sort((a, b) => a - b)).toEqual([...lost].sort((a, b) => a - b));
    for (const seq of lost) expect(path.asked.filter((s) => s === seq).length).toBeLessThanOrEqual(10);
    expect(path.plis).toHaveLength(1);
    // Whole frames before the burst, and everything from the keyframe on.
    const key = sent.findLastIndex((f) => f.keyframe);
    expect(key).toBeGreaterThan(20 + burst / 10);
    expect(came).toEqual([...range(0, 20), ...range(key, sent.length)]);
  });

  it.each([451, 1500, 3000, 5000])("of %i is not chased: one PLI at once", (burst) => {
    const { path, sent, came } = burstLoss(burst);
    expect(path.asked).toEqual([]);
    expect(path.plis).toHaveLength(1);
    const resumed = Math.ceil((200 + burst) / 10) * FRAME_MS;
    expect((path.plis[0] ?? 0) - resumed).toBeLessThanOrEqual(200);
    const key = sent.findLastIndex((f) => f.keyframe);
    expect(came).toEqual([...range(0, 20), ...range(key, sent.length)]);
    const [track] = path.receiver.statistics(millis(0)).tracks;
    const { expected = 0, received = 0, recovered = 0, lost = 0, pending = 0 } = track?.ledger ?? {};
    expect(received + recovered + lost + pending).toBe(expected);
  });
});

describe("a repair that is lost twice", () => {
  it.each([20, 100, 400])("over a round trip of %i ms is asked for three times and comes in time", (rtt) => {
    const stream = vp8Stream(90);
    const lost = stream[75]?.packets[1];
    const path = send(stream, (p) => p === lost, {
      repairMs: rtt,
      repairIsLost: (_p, time) => time < 3,
    });
    const seq = (lost?.extSeq ?? 0) & 0xffff;
    const times = path.nacks.filter((n) => n.seqs.includes(seq)).map((n) => n.at);
    const gaps = times.slice(1).map((t, i) => t - (times[i] ?? 0));
    // Until the third answer is there, more may be asked for; never faster than the policy allows.
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(times.length).toBeLessThanOrEqual(4);
    for (const [i, gap] of gaps.entries()) {
      const policy = Math.min(400, Math.max(20, rtt * 1.25 ** i));
      expect(gap).toBeGreaterThanOrEqual(policy - 1);
      expect(gap).toBeLessThanOrEqual(policy + 10);
    }
    expect(numbers(path, stream)).toEqual(range(0, 90));
    expect(path.plis).toEqual([]);
  });
});
