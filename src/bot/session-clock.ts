import { type Micros, type Millis, micros } from "../core/time.ts";

/** The session timeline: zero is the first accepted media, of this attempt or of an earlier one. */
export class SessionClock {
  readonly #wallOffsetMs: number;
  #zero: number | undefined;
  #started = false;

  /**
   * `wallOffsetMs`: Unix time minus local monotonic time. `zeroAt`: Unix milliseconds of time zero, when an
   * earlier attempt at the same session has set it.
   */
  constructor(wallOffsetMs: number, zeroAt?: number) {
    this.#wallOffsetMs = wallOffsetMs;
    this.#zero = zeroAt === undefined ? undefined : zeroAt - wallOffsetMs;
  }

  /** Unix milliseconds of time zero; undefined before the first media. */
  get zeroAt(): number | undefined {
    return this.#zero === undefined ? undefined : this.#zero + this.#wallOffsetMs;
  }

  /** Media came in this attempt. */
  get started(): boolean {
    return this.#started;
  }

  /**
   * Session time of a frame's local time. The first frame sets zero: at the first packet of its connection, or at
   * the frame itself if that is earlier, because a first keyframe takes longer on its way than sound. What was
   * captured before zero all the same stands at zero.
   */
  at(local: Millis, firstPacket?: Millis): Micros {
    this.#started = true;
    this.#zero ??= Math.min(local, firstPacket ?? local);
    return micros(Math.max(0, Math.round((local - this.#zero) * 1000)));
  }

  /** Session time of a local time; undefined before the first media. */
  peek(local: Millis): Micros | undefined {
    return this.#zero === undefined ? undefined : micros(Math.round((local - this.#zero) * 1000));
  }
}
