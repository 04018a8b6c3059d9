import { type Millis, type Ntp, ntpMid32, wallMillis, wallToNtp } from "../../time.ts";

/** Our NTP clock as the other side sees it: monotonic time plus a fixed offset, so it never steps. */
export class NtpClock {
  readonly #wallOffsetMs: number;

  /** `wallOffsetMs`: Unix time minus monotonic now, taken once for all streams of a participant. */
  constructor(wallOffsetMs: number) {
    this.#wallOffsetMs = wallOffsetMs;
  }

  /** NTP time at `now`. */
  at(now: Millis): Ntp {
    return wallToNtp(wallMillis(now + this.#wallOffsetMs));
  }

  /** Middle 32 bits of the NTP time at `now`. */
  mid32(now: Millis): number {
    return ntpMid32(this.at(now));
  }

  /** The 24 bits of the abs-send-time extension: seconds modulo 64 with 18 fraction bits. */
  absSendTime(now: Millis): number {
    const t = this.at(now);
    return ((t.seconds & 0x3f) << 18) | (t.fraction >>> 14);
  }
}
