import type { ReportBlock } from "../rtcp/packet.ts";

const RTT_GAIN = 0.25;
/** A round trip longer than this is a report about another sender's SR, or nonsense. */
const MAX_RTT_MS = 10_000;

/**
 * Round-trip time in milliseconds from an echoed NTP time (RFC 3550 section 6.4.1, RFC 3611 section 4.5):
 * all three in 1/65536 s. undefined when nothing was echoed or the numbers make no sense.
 */
export function roundTripMs(nowMid32: number, echoed: number, delay: number): number | undefined {
  if (echoed === 0) return undefined;
  // Both clocks tick in 15 us, so a loopback round trip may come out just below zero.
  const ms = (((nowMid32 - echoed - delay) | 0) * 1000) / 65_536;
  if (ms < -1 || ms > MAX_RTT_MS) return undefined;
  return Math.max(0, ms);
}

/** What the other side says about one outgoing stream. */
export class RemoteView {
  readonly #clockRate: number;
  #last: ReportBlock | undefined;
  #rttMs: number | undefined;

  /** `clockRate` of the stream in Hz. */
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** Takes in a report block. `nowMid32`: our NTP time of its arrival, middle 32 bits. */
  onReport(r: ReportBlock, nowMid32: number): void {
    this.#last = r;
    const rtt = roundTripMs(nowMid32, r.lastSr, r.delaySinceLastSr);
    if (rtt !== undefined)
      this.#rttMs = this.#rttMs === undefined ? rtt : this.#rttMs + (rtt - this.#rttMs) * RTT_GAIN;
  }

  /** Smoothed round-trip time in milliseconds. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Share of packets lost in the last reported interval, 0..1. */
  get fractionLost(): number | undefined {
    return this.#last && this.#last.fractionLost / 256;
  }

  /** Packets lost since the start as the other side counts them. */
  get packetsLost(): number | undefined {
    return this.#last?.cumulativeLost;
  }

  /** Interarrival jitter in milliseconds. */
  get jitterMs(): number | undefined {
    return this.#last && (this.#last.jitter * 1000) / this.#clockRate;
  }
}
