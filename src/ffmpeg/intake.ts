import type { RoomtapError } from "../core/fault.ts";

/** What comes from a process and is taken at the reader's pace: a queue that makes its writer wait while it is full. */
export class Intake<T> {
  readonly #items: T[] = [];
  readonly #most: number;
  #ended = false;
  #failure: RoomtapError | undefined;
  #onRoom: (() => void) | undefined;
  #onMore: (() => void) | undefined;

  /** `most`: items from which on the writer waits. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The next item; undefined: none is there yet, or none comes any more. */
  get head(): T | undefined {
    return this.#items[0];
  }

  /** Nothing comes any more, and all was taken. */
  get drained(): boolean {
    return this.#ended && this.#items.length === 0;
  }

  /** Why nothing comes any more, where it is not that everything came. */
  get failure(): RoomtapError | undefined {
    return this.#failure;
  }

  /** Adds items. A promise: resolves when there is room for more. */
  put(items: readonly T[]): Promise<void> | undefined {
    if (this.#ended) return undefined;
    this.#items.push(...items);
    if (items.length > 0) this.#wake();
    if (this.#items.length < this.#most) return undefined;
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  /** Nothing more comes. */
  end(failure?: RoomtapError): void {
    this.#ended = true;
    this.#failure ??= failure;
    this.#wake();
  }

  /** Takes the next item out. */
  take(): T | undefined {
    const item = this.#items.shift();
    if (this.#items.length < this.#most) {
      this.#onRoom?.();
      this.#onRoom = undefined;
    }
    return item;
  }

  /** Resolves when an item is there, or none comes any more. One reader at a time. */
  async ready(): Promise<void> {
    while (this.#items.length === 0 && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#onMore = resolve;
      });
  }

  /** Gives up: what is there is dropped, and the writer does not wait any more. */
  close(): void {
    this.#items.length = 0;
    this.#ended = true;
    this.#onRoom?.();
    this.#wake();
  }

  #wake(): void {
    this.#onMore?.();
    this.#onMore = undefined;
  }
}
