import type { Courier } from "../../src/core/room.ts";
import { until } from "./until.ts";

/** A courier whose every text a test sees and whose every line a test brings. */
export class HandCourier implements Courier {
  readonly given: { readonly text: string; readonly note: string }[] = [];
  readonly prompts: string[] = [];
  readonly #lines: (string | undefined)[] = [];
  #waiter: ((line: string | undefined) => void) | undefined;

  give(text: string, note: string): void {
    this.given.push({ text, note });
  }

  line(prompt: string): Promise<string | undefined> {
    this.prompts.push(prompt);
    if (this.#lines.length > 0) return Promise.resolve(this.#lines.shift());
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  /** Brings text, line by line; undefined: no more come. */
  bring(text: string | undefined): void {
    for (const line of text === undefined ? [undefined] : text.split(/\r?\n/)) {
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter) waiter(line);
      else this.#lines.push(line);
    }
  }

  /** The n-th text that was given. */
  async text(n = 0): Promise<string> {
    await until("a text to carry", () => this.given.length > n);
    return this.given[n]?.text ?? "";
  }

  /** Resolves when a prompt says this. */
  async asked(what: RegExp): Promise<void> {
    await until(`a prompt like ${what}`, () => this.prompts.some((p) => what.test(p)));
  }
}
