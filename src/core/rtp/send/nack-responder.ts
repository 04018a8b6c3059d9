import type { Millis } from "../../time.ts";
import { ByteWindow } from "./byte-window.ts";
import type { RtpSendStream } from "./stream.ts";

/**
 * A packet is not repeated again within this time, nor within most of a round trip: the repeat is under way. Whoever
 * asks once per round trip asks a little earlier now and then, as the network has it.
 */
const MIN_COOLDOWN_MS = 25;
const COOLDOWN_SHARE = 0.8;
/** Share of the media bitrate that repeats may take, over a while that lets a lost burst be repaired whole. */
const BUDGET_SHARE = 0.2;
const BUDGET_WINDOW_MS = 5000;
/** Octets in that time that are always granted, so that a small stream can repair a lost keyframe. */
const BUDGET_FLOOR = 40 * 1200;

/** Why NACKed packets were not repeated. */
export type NackCounters = {
  /** Reports that asked. */
  packets: number;
  /** Sequence numbers asked for. */
  requested: number;
  /** No longer (or never) in the history. */
  gone: number;
  /** Asked again while the repeat is under way. */
  cooling: number;
  /** Over the budget. */
  refused: number;
};

/** Answers generic NACKs (RFC 4585 section 6.2.1) for one stream, within a budget. */
export class NackResponder {
  readonly counters: NackCounters = { packets: 0, requested: 0, gone: 0, cooling: 0, refused: 0 };
  readonly #stream: RtpSendStream;
  readonly #media = new ByteWindow(BUDGET_WINDOW_MS);
  readonly #repeats = new ByteWindow(BUDGET_WINDOW_MS);

  constructor(stream: RtpSendStream) {
    this.#stream = stream;
  }

  /** Notes octets of media sent; the budget follows them. */
  mediaSent(octets: number, now: Millis): void {
    this.#media.add(octets, now);
  }

  /** Repeats to send for the 16-bit sequence numbers of one report, in its order. */
  answer(seqs: Iterable<number>, now: Millis, rttMs: number): Uint8Array[] {
    this.counters.packets++;
    const out: Uint8Array[] = [];
    const cooldown = Math.max(COOLDOWN_SHARE * rttMs, MIN_COOLDOWN_MS);
    const budget = Math.max(BUDGET_FLOOR, BUDGET_SHARE * this.#media.total(now));
    let spent = this.#repeats.total(now);
    for (const seq of seqs) {
      this.counters.requested++;
      const p = this.#stream.history.get(seq);
      // `resentAt` is set below, so a number that stands twice in one report is cooling the second time.
      if (!p) this.counters.gone++;
      else if (p.resentAt !== undefined && now - p.resentAt < cooldown) this.counters.cooling++;
      else if (spent + p.bytes.length > budget) this.counters.refused++;
      else {
        p.resentAt = now;
        spent += p.bytes.length;
        this.#repeats.add(p.bytes.length, now);
        out.push(this.#stream.repeat(p));
      }
    }
    return out;
  }
}
