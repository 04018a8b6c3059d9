import { type Millis, millis } from "../time.ts";

/** The backlog of a stall is read within this time after it. */
const BACKLOG_MS = 10;

/**
 * Remembers the last stall of the event loop. Packets that arrived during it are read in one burst right
 * after, so their arrival times say nothing about the network.
 */
export class ArrivalStall {
  #from = Number.NEGATIVE_INFINITY;
  #until = Number.NEGATIVE_INFINITY;

  /** The loop stood still for `lagMs` until `now`. */
  onStall(lagMs: number, now: Millis): void {
    // A second late timer during the backlog belongs to the same stall.
    if (now - lagMs > this.#until + BACKLOG_MS) this.#from = now - lagMs;
    this.#until = now;
  }

  /** True when a packet read at `arrival` may have waited for the stall to end. */
  covers(arrival: number): boolean {
    return arrival > this.#from && arrival <= this.#until + BACKLOG_MS;
  }

  /** When the loop stopped. */
  get from(): Millis {
    return millis(this.#from);
  }

  /** When it went on. */
  get until(): Millis {
    return millis(this.#until);
  }
}
