import type { Millis } from "../../time.ts";

/** Requests closer than this to an honoured one are about the same loss. */
const MIN_INTERVAL_MS = 300;
/** Requesters whose FIR numbers are remembered. */
const MAX_REQUESTERS = 64;

/** Decides which requests for a keyframe of one stream are honoured (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1). */
export class KeyframeRequests {
  #pli = 0;
  #fir = 0;
  #honoured = 0;
  #last: Millis | undefined;
  readonly #firSeq = new Map<number, number>();

  /** Picture loss indications received. */
  get pliCount(): number {
    return this.#pli;
  }

  /** Full intra requests received, repeats of one request not counted. */
  get firCount(): number {
    return this.#fir;
  }

  /** Requests that were honoured. */
  get honoured(): number {
    return this.#honoured;
  }

  /** A PLI arrived. True: send a keyframe. */
  onPli(now: Millis): boolean {
    this.#pli++;
    return this.#honour(now);
  }

  /**
   * A FIR entry arrived from `requester` (SSRC of the packet sender) with its command sequence number. The
   * same number again is a repetition of the same request. True: send a keyframe.
   */
  onFir(requester: number, seq: number, now: Millis): boolean {
    if (this.#firSeq.get(requester) === seq) return false;
    if (this.#firSeq.size >= MAX_REQUESTERS) this.#firSeq.clear();
    this.#firSeq.set(requester, seq);
    this.#fir++;
    return this.#honour(now);
  }

  #honour(now: Millis): boolean {
    if (this.#last !== undefined && now - this.#last < MIN_INTERVAL_MS) return false;
    this.#last = now;
    this.#honoured++;
    return true;
  }
}
