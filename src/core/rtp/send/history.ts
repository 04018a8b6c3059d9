import type { Millis } from "../../time.ts";

/** A packet that was sent, kept for retransmission. */
export type SentPacket = {
  readonly bytes: Uint8Array;
  readonly seq: number;
  readonly timestamp: number;
  readonly marker: boolean;
  /** Where the payload starts in `bytes`; it reaches to the end (no padding). */
  readonly payloadOffset: number;
  sentAt: Millis;
  /** When it was last sent again; undefined: never. */
  resentAt: Millis | undefined;
};

/** Two seconds at 1000 packets/s. */
const DEFAULT_CAPACITY = 2048;
const DEFAULT_MAX_AGE_MS = 2000;

/**
 * The packets one stream sent last, by sequence number. Bounded twice: by count, and by age, so that a
 * thousand idle streams do not each hold a megabyte.
 */
export class SendHistory {
  readonly #slots: (SentPacket | undefined)[];
  readonly #mask: number;
  readonly #maxAgeMs: number;
  /** Oldest sequence number that may still be held, unwrapped along with `#head`. */
  #tail = 0;
  #head = 0;

  /** `capacity`: packets, a power of two. */
  constructor(capacity = DEFAULT_CAPACITY, maxAgeMs = DEFAULT_MAX_AGE_MS) {
    this.#slots = new Array(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Keeps `p`, the packet that follows the one put last. */
  put(p: SentPacket): void {
    if (this.#head === this.#tail) {
      this.#tail = p.seq;
      this.#head = p.seq;
    }
    this.#slots[p.seq & this.#mask] = p;
    this.#head++;
    if (this.#head - this.#tail > this.#mask + 1) this.#tail = this.#head - this.#mask - 1;
    this.#expire(p.sentAt);
  }

  /** The packet with this 16-bit sequence number, while it is held. */
  get(seq: number): SentPacket | undefined {
    const p = this.#slots[seq & this.#mask];
    return p?.seq === seq ? p : undefined;
  }

  #expire(now: Millis): void {
    while (this.#tail < this.#head) {
      const i = this.#tail & this.#mask;
      const p = this.#slots[i];
      if (p && now - p.sentAt <= this.#maxAgeMs) return;
      this.#slots[i] = undefined;
      this.#tail++;
    }
  }
}
