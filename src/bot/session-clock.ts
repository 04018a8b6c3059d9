import { type Micros, type Millis, micros } from "../core/time.ts";

/** The session timeline: zero is the first accepted media. */
export class SessionClock {
  #zero: Millis | undefined;

  /** True once the first media came. */
  get started(): boolean {
    return this.#zero !== undefined;
  }

  /** Session time of a local time. The first call sets zero. */
  at(local: Millis): Micros {
    this.#zero ??= local;
    return micros(Math.round((local - this.#zero) * 1000));
  }

  /** Session time of a local time; undefined before the first media. */
  peek(local: Millis): Micros | undefined {
    return this.#zero === undefined ? undefined : micros(Math.round((local - this.#zero) * 1000));
  }
}
