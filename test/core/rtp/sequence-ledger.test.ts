import { describe, expect, it } from "vitest";
import { type Random, randomInt, seededRandom } from "../../../src/core/random.ts";
import { SequenceTracker } from "../../../src/core/rtp/sequence.ts";
import { type LedgerCounts, SequenceLedger } from "../../../src/core/rtp/sequence-ledger.ts";

const CLOCK = 90_000;
const WINDOW = 0x8000;

/** The same counting with sets and no thought of memory. */
class Model {
  #expected = new Set<number>();
  #received = new Set<number>();
  #recovered = new Set<number>();
  #lost = new Set<number>();
  #epoch = 0;
  #base: number | undefined;
  #newest = -1;
  #duplicates = 0;
  #stale = 0;

  came(seq: number, to: "received" | "recovered"): void {
    this.#base ??= this.#expect(seq, seq);
    if (seq > this.#newest) this.#expect(this.#newest + 1, seq);
    if (seq < this.#base && this.#newest - seq <= 100) {
      this.#expect(seq, this.#base - 1);
      this.#base = seq;
    }
    if (seq < this.#base || seq <= this.#newest - WINDOW) {
      this.#stale++;
      return;
    }
    const key = this.#key(seq);
    if (this.#received.has(key) || this.#recovered.has(key)) this.#duplicates++;
    if (to === "received") {
      this.#recovered.delete(key);
      this.#received.add(key);
    } else if (!this.#received.has(key)) this.#recovered.add(key);
    this.#lost.delete(key);
  }

  giveUp(from: number, to: number): void {
    for (let s = Math.max(from, this.#base ?? from); s <= to; s++) {
      const key = this.#key(s);
      if (this.#expected.has(key) && !this.#received.has(key) && !this.#recovered.has(key))
        this.#lost.add(key);
    }
  }

  restart(): void {
    this.giveUp(this.#base ?? 0, this.#newest);
    this.#epoch++;
    this.#base = undefined;
    this.#newest = -1;
  }

  counts(): LedgerCounts {
    const known = new Set([...this.#received, ...this.#recovered, ...this.#lost]);
    return {
      expected: this.#expected.size,
      received: this.#received.size,
      recovered: this.#recovered.size,
      lost: this.#lost.size,
      pending: [...this.#expected].filter((k) => !known.has(k)).length,
      duplicates: this.#duplicates,
      stale: this.#stale,
    };
  }

  #key(seq: number): number {
    return this.#epoch * 2 ** 40 + seq;
  }

  #expect(from: number, to: number): number {
    for (let s = from; s <= to; s++) this.#expected.add(this.#key(s));
    this.#newest = Math.max(this.#newest, to);
    this.giveUp(Math.max(this.#base ?? from, to - 2 * WINDOW), to - WINDOW);
    return from;
  }
}

const balance = (c: LedgerCounts) => c.received + c.recovered + c.lost + c.pending;

/** A number around the newest, mostly near: behind, ahead, and now and then very far. */
function around(r: Random, newest: number): number {
  const kind = r();
  if (kind < 0.55) return newest + 1;
  if (kind < 0.75) return newest + 1 + randomInt(r, 8);
  if (kind < 0.95) return newest - randomInt(r, 60);
  if (kind < 0.985) return Math.max(0, newest - randomInt(r, 400));
  return newest + 1 + randomInt(r, 1500);
}

describe("the ledger of sequence numbers", () => {
  it.each([1, 2, 3, 4])("agrees with a model of sets after every step, seed %d", (seed) => {
    const r = seededRandom(seed);
    const ledger = new SequenceLedger();
    const model = new Model();
    let newest = 0x10000 + randomInt(r, 0x10000);
    for (let i = 0; i < 1000; i++) {
      const seq = around(r, newest);
      const act = r();
      if (act < 0.7) {
        ledger.onPacket(seq);
        model.came(seq, "received");
        newest = Math.max(newest, seq);
      } else if (act < 0.85) {
        const repaired = Math.min(seq, newest);
        ledger.onRecovered(repaired);
        model.came(repaired, "recovered");
      } else if (act < 0.95) {
        ledger.onGiveUp(seq);
        model.giveUp(seq, seq);
      } else if (act < 0.995) {
        ledger.onGiveUpBefore(seq);
        model.giveUp(0, seq - 1);
      } else {
        ledger.onRestart();
        model.restart();
        newest += 0x20000;
      }
      const counts = ledger.snapshot();
      expect(balance(counts)).toBe(counts.expected);
      if (i % 20 === 0 || i > 980) expect(counts).toEqual(model.counts());
    }
  });

  it("balances over wraps, restarts, repairs and whole seconds of loss, and accounts for every packet", () => {
    const wrong: LedgerCounts[] = [];
    const restarts: number[] = [];
    for (let seed = 1; seed <= 8; seed++) {
      const r = seededRandom(seed);
      const tracker = new SequenceTracker(CLOCK);
      const ledger = new SequenceLedger();
      let seq = randomInt(r, 0x10000);
      let ts = randomInt(r, 0x1_0000_0000);
      let [epoch, came] = [0, 0];
      for (let i = 0; i < 3000; i++) {
        const event = r();
        if (event < 0.001) {
          seq = randomInt(r, 0x10000);
          ts = (ts + 0x40000000) >>> 0;
        } else if (event < 0.004) seq += 1000 + randomInt(r, 1900);
        else if (event < 0.05) seq += randomInt(r, 20);
        const late = r() < 0.1 ? randomInt(r, 90) : 0;
        seq = (seq + 1) & 0xffff;
        ts = (ts + 3000) >>> 0;
        const ext = tracker.accept((seq - late) & 0xffff, (ts - 3000 * late) >>> 0);
        if (ext === undefined) continue;
        if (tracker.epoch !== epoch) ledger.onRestart();
        epoch = tracker.epoch;
        ledger.onPacket(ext);
        came++;
        if (r() < 0.05) {
          ledger.onRecovered(ext - 1);
          came++;
        }
        if (r() < 0.05) ledger.onGiveUpBefore(ext - randomInt(r, 300));
        const c = ledger.snapshot();
        if (balance(c) !== c.expected) wrong.push(c);
        if (c.received + c.recovered + c.duplicates + c.stale !== came) wrong.push(c);
        if (Math.min(c.received, c.recovered, c.lost, c.pending) < 0) wrong.push(c);
      }
      restarts.push(epoch);
    }
    expect(wrong).toEqual([]);
    expect(Math.max(...restarts)).toBeGreaterThan(1);
  });

  it("expects what RFC 3550 expects", () => {
    const r = seededRandom(9);
    const tracker = new SequenceTracker(CLOCK);
    const ledger = new SequenceLedger();
    for (let i = 0; i < 140_000; i += 1 + randomInt(r, 30)) {
      const at = Math.max(0, i - randomInt(r, 40));
      ledger.onPacket(tracker.accept((65_530 + at) & 0xffff, (at * 90) >>> 0) ?? 0);
      expect(ledger.snapshot().expected).toBe(tracker.expected);
    }
  });

  it("takes a packet that comes after it was given up out of the losses", () => {
    const l = new SequenceLedger();
    l.onPacket(10);
    l.onPacket(13);
    l.onGiveUp(11);
    l.onGiveUpBefore(13);
    expect(l.snapshot()).toMatchObject({ expected: 4, received: 2, lost: 2, pending: 0 });
    expect(l.onPacket(11)).toBe(true);
    expect(l.onRecovered(12)).toBe(true);
    expect(l.snapshot()).toMatchObject({ received: 3, recovered: 1, lost: 0, duplicates: 0 });
  });

  it("counts a number once, however often and on whichever way it comes", () => {
    const l = new SequenceLedger();
    l.onPacket(10);
    l.onPacket(12);
    expect([l.onRecovered(11), l.onRecovered(11), l.onPacket(11), l.onPacket(11)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(l.snapshot()).toMatchObject({ expected: 3, received: 3, recovered: 0, duplicates: 3 });
  });

  it("widens over packets overtaken at the start, and takes no older ones", () => {
    const l = new SequenceLedger();
    l.onPacket(1000);
    l.onPacket(900);
    expect(l.snapshot()).toMatchObject({ expected: 101, received: 2, pending: 99, stale: 0 });
    expect(l.onPacket(899)).toBe(false);
    expect(l.snapshot()).toMatchObject({ expected: 101, received: 2, stale: 1 });
  });

  it.each([WINDOW - 1, WINDOW, WINDOW + 1, 5 * WINDOW])("survives a leap of %d numbers", (leap) => {
    const l = new SequenceLedger();
    for (const s of [1, 2, 4, 4 + leap]) l.onPacket(s);
    const left = Math.min(leap - 1, WINDOW - 1) + (leap < WINDOW - 1 ? 1 : 0);
    const c = l.snapshot();
    expect(c).toMatchObject({ expected: 4 + leap, received: 4 });
    expect(c.pending).toBe(left);
    expect(balance(c)).toBe(c.expected);
    expect(l.onPacket(4 + leap - WINDOW)).toBe(false);
    l.onRestart();
    expect(l.snapshot()).toMatchObject({ expected: 4 + leap, received: 4, lost: leap, pending: 0, stale: 1 });
  });

  it("stays small and exact over a million packets with five per cent of loss", () => {
    const r = seededRandom(7);
    const l = new SequenceLedger();
    let [sent, lost] = [0, 0];
    const before = process.memoryUsage().arrayBuffers;
    for (let seq = 0x10000; seq < 0x10000 + 1_000_000; seq++, sent++) {
      if (sent > 0 && r() < 0.05) lost++;
      else l.onPacket(seq);
      if ((seq & 63) === 0) l.onGiveUpBefore(seq - 200);
    }
    l.onRestart();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(65_536);
    expect(l.snapshot()).toMatchObject({ received: sent - lost, recovered: 0, pending: 0, duplicates: 0 });
    expect(sent - l.snapshot().expected).toBeLessThan(5);
  });
});
