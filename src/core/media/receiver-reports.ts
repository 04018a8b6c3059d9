import type { MediaKind } from "../frame.ts";
import { type Random, randomInt } from "../random.ts";
import type { Reception } from "../rtp/reception.ts";
import { buildReceiverReport, buildReferenceTime, buildSdes, compound } from "../rtp/rtcp/build.ts";
import { buildFir, buildNacks, buildPli, buildRemb } from "../rtp/rtcp/build-feedback.ts";
import type { DlrrItem } from "../rtp/rtcp/packet.ts";
import { roundTripMs } from "../rtp/send/remote-view.ts";
import { type Millis, millis, type Ntp, ntpMid32, wallMillis, wallToNtp } from "../time.ts";

/** Reception reports: about one a second, randomised as RFC 3550 section 6.3.1 asks. */
const REPORT_MS = 1000;

/** A stream as RTCP speaks of it. */
export type ReportedStream = {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly reception: Reception;
};

/** Writes the RTCP of one receiver: when reports are due, and every packet as a compound. */
export class ReceiverReports {
  /** Our SSRC as a receiver. */
  readonly ssrc: number;
  readonly #random: Random;
  readonly #sdes: Uint8Array;
  readonly #firs = new Map<number, number>();
  #due: Millis | undefined;

  constructor(o: { readonly random: Random; readonly cname: string }) {
    this.#random = o.random;
    this.ssrc = 1 + randomInt(o.random, 0xfffffffe);
    this.#sdes = buildSdes(this.ssrc, o.cname);
  }

  /** When the next report is due; undefined: nothing to report on. */
  get deadline(): Millis | undefined {
    return this.#due;
  }

  /** There is a stream to report on: the first report follows soon. */
  begin(now: Millis): void {
    this.#due ??= millis(now + REPORT_MS * 0.5);
  }

  /** The regular report on `active` streams. `rembBps`: what to state as the highest bitrate of the video. */
  report(active: readonly ReportedStream[], rembBps: number | undefined, now: Millis): Uint8Array {
    // Without anyone to report on, the clock rests until the next packet.
    this.#due = active.length > 0 ? millis(now + REPORT_MS * (0.5 + this.#random())) : undefined;
    const blocks = active.map((s) => s.reception.report(now));
    const parts = [
      buildReceiverReport(this.ssrc, blocks),
      this.#sdes,
      buildReferenceTime(this.ssrc, ntpOf(now)),
    ];
    const video = active.filter((s) => s.kind === "video").map((s) => s.ssrc);
    if (rembBps !== undefined && video.length > 0) parts.push(buildRemb(this.ssrc, rembBps, video));
    return compound(parts);
  }

  /** A NACK for packets of `s`. */
  nack(s: ReportedStream, seqs: readonly number[], now: Millis): Uint8Array {
    return this.#on(s, buildNacks(this.ssrc, s.ssrc, seqs), now);
  }

  /** A keyframe request: a PLI, or an FIR with a new number. */
  keyframeRequest(s: ReportedStream, fir: boolean, now: Millis): Uint8Array {
    if (!fir) return this.#on(s, [buildPli(this.ssrc, s.ssrc)], now);
    const seq = ((this.#firs.get(s.ssrc) ?? -1) + 1) & 0xff;
    this.#firs.set(s.ssrc, seq);
    return this.#on(s, [buildFir(this.ssrc, s.ssrc, seq)], now);
  }

  /** Feedback on the connection as a whole. */
  general(part: Uint8Array): Uint8Array {
    return compound([buildReceiverReport(this.ssrc, []), this.#sdes, part]);
  }

  /** The round trip that an echo of our reference time tells, in milliseconds; undefined: not ours. */
  roundTrip(echo: DlrrItem, now: Millis): number | undefined {
    if (echo.ssrc !== this.ssrc) return undefined;
    return roundTripMs(ntpMid32(ntpOf(now)), echo.lastRr, echo.delay);
  }

  /** The stream ended: its numbering of FIRs is forgotten. */
  forget(ssrc: number): void {
    this.#firs.delete(ssrc);
  }

  /**
   * A compound that begins with a report on the stream it speaks of: some servers find the stream by that
   * block alone.
   */
  #on(s: ReportedStream, parts: readonly Uint8Array[], now: Millis): Uint8Array {
    return compound([buildReceiverReport(this.ssrc, [s.reception.peek(now)]), this.#sdes, ...parts]);
  }
}

/** FIR is for those who agreed to it and to nothing else: PLI asks for less (RFC 5104 section 3.5.1). */
export function needsFir(feedback: readonly string[]): boolean {
  return !feedback.includes("nack pli") && feedback.includes("ccm fir");
}

/** Our reference clock for round trips: any will do, as long as it is always the same. */
function ntpOf(now: Millis): Ntp {
  return wallToNtp(wallMillis(now));
}
