import { u8, u16 } from "../bytes.ts";

/** Events 0..15 (RFC 4733 section 3.2). */
const DIGITS = "0123456789*#ABCD";
const LENGTH = 4;

/** A key of a telephone that was pressed. */
export type Digit = {
  /** `0`..`9`, `*`, `#`, `A`..`D`. */
  readonly digit: string;
  /** RTP timestamp at which it begins, unwrapped. */
  readonly rtpTime: number;
  readonly durationMs: number;
  /** dBm0, 0 (loudest) to -63. */
  readonly volume: number;
};

/**
 * Reads telephone events (RFC 4733). One key press is many packets: it grows while the key is held, and its end is
 * said three times. It comes out once, at its end; one whose end was lost, when the next begins.
 */
export class TelephoneEvents {
  readonly #clockRate: number;
  #open: Digit | undefined;
  /** Timestamp of the event that came out last. */
  #done = Number.NEGATIVE_INFINITY;

  /** `clockRate` in Hz. */
  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** One packet. What it completes; undefined: nothing, or it is malformed. */
  push(payload: Uint8Array, rtpTime: number): Digit | undefined {
    if (payload.length < LENGTH || rtpTime <= this.#done) return undefined;
    const digit = DIGITS[u8(payload, 0)];
    if (digit === undefined) return undefined;
    const now: Digit = {
      digit,
      rtpTime,
      durationMs: Math.round((1000 * u16(payload, 2)) / this.#clockRate),
      volume: 0 - (u8(payload, 1) & 0x3f),
    };
    const before = this.#open;
    if (u8(payload, 1) & 0x80) {
      this.#open = undefined;
      this.#done = rtpTime;
      return now;
    }
    // Packets of one event may overtake each other.
    if (before?.rtpTime === rtpTime && before.durationMs > now.durationMs) return undefined;
    if (before && before.rtpTime > rtpTime) return undefined;
    this.#open = now;
    if (!before || before.rtpTime === rtpTime) return undefined;
    this.#done = before.rtpTime;
    return before;
  }

  /** The stream ended: an event whose end was never said. */
  flush(): Digit | undefined {
    const last = this.#open;
    this.#open = undefined;
    if (last) this.#done = last.rtpTime;
    return last;
  }
}
