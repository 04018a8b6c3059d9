import type { Courier } from "../core/room.ts";
import type { FromChild } from "./job.ts";

/** The supervisor's courier, as the media process sees it. */
export class ChildCourier implements Courier {
  readonly #report: (m: FromChild) => void;
  #brought: ((line: string | undefined) => void) | undefined;

  constructor(report: (m: FromChild) => void) {
    this.#report = report;
  }

  give(text: string, note: string): void {
    this.#report({ t: "give", text, note });
  }

  line(prompt: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#brought = resolve;
      this.#report({ t: "ask", prompt });
    });
  }

  /** The supervisor's answer to what was asked. */
  bring(line: string | undefined): void {
    this.#brought?.(line);
    this.#brought = undefined;
  }
}
