/** Ends work that has stopped moving: whoever runs it says when it moves, and gives the signal to what runs. */
export class StallGuard {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** Aborted when the work stands still, and when `signal` is. */
  readonly signal: AbortSignal;

  /** `stallMs`: standing still for this long is the end. The owner closes it when the work is over. */
  constructor(o: { readonly stallMs: number; readonly signal?: AbortSignal | undefined }) {
    this.signal = o.signal ? AbortSignal.any([o.signal, this.#stop.signal]) : this.#stop.signal;
    this.#timer = setTimeout(() => this.#stop.abort(), o.stallMs);
  }

  /** The work stood still and was ended for it. */
  get stalled(): boolean {
    return this.#stop.signal.aborted;
  }

  /** The work moves. */
  moves(): void {
    if (!this.stalled) this.#timer.refresh();
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
