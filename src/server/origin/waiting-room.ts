import type { HlsSource } from "../../sinks/hls/source.ts";

/** Requests that wait for something that is not there yet: so many at most, and not for ever. */
export class WaitingRoom {
  readonly #source: HlsSource;
  readonly #most: number;
  readonly #waiting = new Set<() => void>();
  readonly #release: () => void;

  constructor(source: HlsSource, most: number) {
    this.#source = source;
    this.#most = most;
    this.#release = source.onChange(() => this.#look());
  }

  /** Requests that wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves with true when `there` says so, with false after `capMs`, when `gone` aborts, or when the stream ends
   * without it; with undefined at once when too many wait.
   */
  wait(there: () => boolean, capMs: number, gone: AbortSignal): Promise<boolean | undefined> {
    if (there()) return Promise.resolve(true);
    if (this.#source.ended || gone.aborted) return Promise.resolve(false);
    if (this.#waiting.size >= this.#most) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const end = (result: boolean) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        gone.removeEventListener("abort", leave);
        resolve(result);
      };
      const look = () => {
        if (there()) end(true);
        else if (this.#source.ended) end(false);
      };
      const leave = () => end(false);
      const timer = setTimeout(leave, capMs);
      gone.addEventListener("abort", leave, { once: true });
      this.#waiting.add(look);
    });
  }

  close(): void {
    this.#release();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
