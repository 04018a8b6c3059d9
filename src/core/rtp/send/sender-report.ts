import { earliest } from "../../machine.ts";
import type { Random } from "../../random.ts";
import { type Millis, millis, type Ntp, ntpMid32 } from "../../time.ts";
import { buildBye, buildDlrr, buildSdes, buildSenderReport, compound } from "../rtcp/build.ts";
import type { NtpClock } from "./ntp-clock.ts";
import type { RtpSendStream } from "./stream.ts";

const INTERVAL_MS = 1000;
/** The first report follows the first packet within this, spread so that a room full of peers does not report at once. */
const FIRST_MIN_MS = 50;
const FIRST_SPREAD_MS = 200;
/** Requesters whose reference times wait for an answer. */
const MAX_REFERENCES = 31;

/** What a reporter needs. */
export type SenderReportsOptions = {
  /** Canonical name, the same for all streams of a participant (RFC 3550 section 6.5.1). */
  readonly cname: string;
  readonly ntp: NtpClock;
  readonly random: Random;
};

/**
 * Sender reports of all streams of one connection. Every stream has a compound of its own, because some
 * servers route a compound by its first SSRC. A report pairs NTP and RTP time of the moment it is made
 * (RFC 3550 section 6.4.1), not of the last packet.
 */
export class SenderReports {
  readonly #o: SenderReportsOptions;
  readonly #streams = new Map<RtpSendStream, { due: Millis }>();
  readonly #references = new Map<number, { lastRr: number; at: Millis }>();
  #deadline: Millis | undefined;

  constructor(o: SenderReportsOptions) {
    this.#o = o;
  }

  /** A packet of `stream` was sent. The first one starts its reports. */
  started(stream: RtpSendStream, now: Millis): void {
    if (this.#streams.has(stream)) return;
    this.#streams.set(stream, { due: millis(now + FIRST_MIN_MS + this.#o.random() * FIRST_SPREAD_MS) });
    this.#schedule();
  }

  /** A receiver's reference time arrived (RFC 3611 section 4.4); the next report echoes it as DLRR. */
  onReferenceTime(requester: number, ntp: Ntp, now: Millis): void {
    if (this.#references.size >= MAX_REFERENCES && !this.#references.has(requester)) return;
    this.#references.set(requester, { lastRr: ntpMid32(ntp), at: now });
  }

  /** The compound of a stream whose report is due. */
  poll(now: Millis): Uint8Array | undefined {
    if (this.#deadline === undefined || this.#deadline > now) return undefined;
    for (const [stream, state] of this.#streams) {
      if (state.due > now) continue;
      // Stays on its grid; after a stall the missed reports are not made up for.
      while (state.due <= now) state.due = millis(state.due + INTERVAL_MS);
      this.#schedule();
      return compound([...this.#report(stream, now), ...this.#answers(stream, now)]);
    }
    return undefined;
  }

  /** When the next report is due; undefined: nothing was sent yet. */
  get deadline(): Millis | undefined {
    return this.#deadline;
  }

  /** A last report and a BYE for every stream that sent (RFC 3550 section 6.6). */
  bye(now: Millis): Uint8Array[] {
    return [...this.#streams.keys()].map((stream) => {
      const ssrcs = stream.rtxSsrc === undefined ? [stream.ssrc] : [stream.ssrc, stream.rtxSsrc];
      return compound([...this.#report(stream, now), buildBye(ssrcs)]);
    });
  }

  #report(stream: RtpSendStream, now: Millis): Uint8Array[] {
    const { packets, octets } = stream.counters;
    const ntp = this.#o.ntp.at(now);
    const rtpTime = stream.timestampAt(now);
    return [
      buildSenderReport({ ssrc: stream.ssrc, ntp, rtpTime, packets, octets, reports: [] }),
      buildSdes(stream.ssrc, this.#o.cname),
    ];
  }

  #answers(stream: RtpSendStream, now: Millis): Uint8Array[] {
    if (this.#references.size === 0) return [];
    const items = [...this.#references].map(([ssrc, r]) => {
      return { ssrc, lastRr: r.lastRr, delay: Math.round(((now - r.at) * 65_536) / 1000) };
    });
    this.#references.clear();
    return [buildDlrr(stream.ssrc, items)];
  }

  #schedule(): void {
    this.#deadline = undefined;
    for (const s of this.#streams.values()) this.#deadline = earliest(this.#deadline, s.due);
  }
}
