import { describe, expect, it } from "vitest";
import { equalBytes } from "../../../src/core/bytes.ts";
import { type Random, randomInt, seededRandom } from "../../../src/core/random.ts";
import { millis } from "../../../src/core/time.ts";
import { ReceiverPath, rtp, rtx, type SentFrame, videoSection, vp8Stream } from "./receiver-path.ts";

const FRAME_MS = 33;
const RTT_MS = 60;
const KEYFRAME_EVERY = 30;
/** A packet is overtaken by up to this many. */
const MAX_REORDER = 8;

const unrepaired = videoSection({
  payloads: videoSection()
    .payloads.slice(0, 1)
    .map((p) => ({ ...p, feedback: ["nack pli"] })),
});

type Item = { readonly order: number; readonly packet: Uint8Array; readonly at: number };

/** What a network makes of a stream: a share is lost, 5 % come twice, and a fifth late by up to eight packets. */
function arrivals(stream: readonly SentFrame[], loss: number, random: Random) {
  const items: Item[] = [];
  const lost = new Set<number>();
  let order = 0;
  for (const [n, f] of stream.entries()) {
    for (const [i, p] of f.packets.entries()) {
      const at = n * FRAME_MS + i;
      order++;
      // A receiver cannot know of what came before the first packet or after the last one that it saw.
      const edge = order === 1 || n === stream.length - 1;
      if (!edge && random() < loss) {
        lost.add(p.extSeq);
        continue;
      }
      const copies = random() < 0.05 ? 2 : 1;
      for (let c = 0; c < copies; c++) {
        const late = !edge && random() < 0.2 ? 1 + randomInt(random, MAX_REORDER) : 0;
        items.push({ order: order + late + 0.5 * Math.sign(late), packet: rtp(p), at });
      }
    }
  }
  items.sort((a, b) => a.order - b.order);
  // Order on the path; an overtaken packet comes no earlier than those that overtook it.
  let latest = 0;
  const timed = items.map(({ packet, at }) => {
    latest = Math.max(latest, at);
    return { packet, at: latest };
  });
  return { lost, items: timed };
}

/** The stream through that network; with `repair` the sender answers every NACK, but answers are lost as often. */
function receive(stream: readonly SentFrame[], o: { loss: number; seed: number; repair: boolean }) {
  const random = seededRandom(o.seed);
  const path = new ReceiverPath([o.repair ? videoSection() : unrepaired], o.repair ? RTT_MS : undefined);
  const sent = new Map(stream.flatMap((f) => f.packets.map((p) => [p.extSeq & 0xffff, p])));
  let repairs = 0;
  path.onNack = (seqs, at) => {
    for (const seq of seqs) {
      const p = sent.get(seq);
      if (!p) throw new Error(`asked for ${seq}, which was never sent`);
      if (random() >= o.loss) path.later(rtx(p, repairs++), at + RTT_MS);
    }
  };
  const { lost, items } = arrivals(stream, o.loss, random);
  for (const { packet, at } of items) path.deliver(packet, at);
  path.until(stream.length * FRAME_MS + 3000);
  path.flush();
  let from = 0;
  const came = path.frames.map((f) => {
    const n = stream.findIndex((s, i) => i >= from && equalBytes(s.data, f.data));
    from = n + 1;
    return n;
  });
  return { path, lost, came };
}

describe.each([0.01, 0.05, 0.2])("with %d of the packets lost, 5 %% doubled and others overtaken", (loss) => {
  const stream = vp8Stream(150, { seq: 65_536 + 65_300, isKey: (n) => n % KEYFRAME_EVERY === 0 });

  it.each([1, 2, 3])("repair within the hold leaves no trace (seed %i)", (seed) => {
    const { path, lost, came } = receive(stream, { loss, seed, repair: true });
    expect(lost.size).toBeGreaterThan(0);
    expect(came).toEqual(stream.map((_f, n) => n));
    expect(path.plis).toEqual([]);
    const [track] = path.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ recovered: lost.size, lost: 0, pending: 0 });
  });

  it.each([1, 2, 3])("without repair only what a gap made useless is missing (seed %i)", (seed) => {
    const { path, lost, came } = receive(stream, { loss, seed, repair: false });
    const want: number[] = [];
    let decodable = false;
    for (const [n, f] of stream.entries()) {
      const whole = f.packets.every((p) => !lost.has(p.extSeq));
      decodable = whole && (f.keyframe || decodable);
      if (decodable) want.push(n);
    }
    expect(came).toEqual(want);
    expect(path.asked).toEqual([]);
    expect(path.plis.length > 0).toBe(want.length < stream.length);
    const [track] = path.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ lost: lost.size, recovered: 0, pending: 0 });
    expect(track?.ledger.duplicates).toBeGreaterThan(0);
  });
});
