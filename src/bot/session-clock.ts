import { type Micros, type Millis, micros, millis } from "../core/time.ts";

/** A pause by local time; without an end it goes on. */
type Pause = { readonly from: Millis; to?: Millis };

/**
 * The session timeline: zero is the first accepted media, of this attempt or of an earlier one. Pauses are a part
 * of it, or are cut out of it.
 */
export class SessionClock {
  readonly #wallOffsetMs: number;
  readonly #collapse: boolean;
  readonly #pauses: Pause[] = [];
  #zero: number | undefined;
  #started = false;

  /**
   * `wallOffsetMs`: Unix time minus local monotonic time. `zeroAt`: Unix milliseconds of time zero, when an
   * earlier attempt at the same session has set it. `collapse`: time goes on after a pause where it was before.
   */
  constructor(wallOffsetMs: number, zeroAt?: number, collapse = false) {
    this.#wallOffsetMs = wallOffsetMs;
    this.#collapse = collapse;
    this.#zero = zeroAt === undefined ? undefined : zeroAt - wallOffsetMs;
  }

  /**
   * Unix milliseconds of time zero; undefined before the first media. Where pauses are cut out it moves with them:
   * what another attempt adds to it stands right behind what is there.
   */
  get zeroAt(): number | undefined {
    if (this.#zero === undefined) return undefined;
    return this.#zero + this.#wallOffsetMs + this.#removed(Number.POSITIVE_INFINITY);
  }

  /** Media came in this attempt. */
  get started(): boolean {
    return this.#started;
  }

  get paused(): boolean {
    return this.#open !== undefined;
  }

  /** What is captured from now on does not count. */
  pause(now: Millis): void {
    if (!this.paused) this.#pauses.push({ from: now });
  }

  /** Ends the pause. Returns where it stood on the timeline; undefined: there was none. */
  resume(now: Millis): { readonly from: Micros; readonly to: Micros } | undefined {
    const pause = this.#open;
    if (!pause) return undefined;
    pause.to = millis(Math.max(now, pause.from));
    return { from: this.peek(pause.from) ?? micros(0), to: this.peek(pause.to) ?? micros(0) };
  }

  /**
   * Session time of a frame's local time; undefined: it was captured in a pause. The first frame sets zero: at the
   * first packet of its connection, or at the frame itself if that is earlier, because a first keyframe takes
   * longer on its way than sound. What was captured before zero all the same stands at zero.
   */
  at(local: Millis, firstPacket?: Millis): Micros | undefined {
    if (this.#pauses.some((p) => local >= p.from && (p.to === undefined || local < p.to))) return undefined;
    this.#started = true;
    this.#zero ??= Math.min(local, firstPacket ?? local) - this.#removed(local);
    return micros(Math.max(0, Math.round((local - this.#zero - this.#removed(local)) * 1000)));
  }

  /** Session time of a local time; undefined before the first media. */
  peek(local: Millis): Micros | undefined {
    if (this.#zero === undefined) return undefined;
    return micros(Math.round((local - this.#zero - this.#removed(local)) * 1000));
  }

  get #open(): Pause | undefined {
    const last = this.#pauses.at(-1);
    return last?.to === undefined ? last : undefined;
  }

  /** Milliseconds cut out before a local time. */
  #removed(local: number): number {
    if (!this.#collapse) return 0;
    let sum = 0;
    for (const p of this.#pauses) {
      const end = Math.min(p.to ?? local, local);
      if (end > p.from && Number.isFinite(end)) sum += end - p.from;
    }
    return sum;
  }
}
