import { createInterface, type Interface } from "node:readline";
import type { Courier } from "../core/room.ts";
import type { Output } from "./output.ts";

/** The room has no server: a person carries descriptions to its other side. A plugin may be for such rooms. */
export function needsCourier(room: string, plugin?: string): boolean {
  return plugin !== undefined || /^\s*manual:/i.test(room);
}

/** What standard output has besides: with `json` it is one document, and what is to be carried goes to stderr. */
export type CourierFormat = { readonly json?: boolean; readonly ndjson?: boolean };

/** Whoever reads our output and writes our input: a person at a terminal, or a program with pipes. */
export class TerminalCourier implements Courier {
  readonly #out: Output;
  readonly #format: CourierFormat;
  readonly #lines: string[] = [];
  #reader: Interface | undefined;
  #ended = false;
  #waiter: ((line: string | undefined) => void) | undefined;

  constructor(out: Output, format: CourierFormat = {}) {
    this.#out = out;
    this.#format = format;
  }

  /** Somebody was asked for something; lines that replace themselves would get in the way. */
  get waiting(): boolean {
    return this.#waiter !== undefined;
  }

  give(text: string, note: string): void {
    const { json, ndjson } = this.#format;
    this.#out.line(`${note}:`);
    if (ndjson) this.#out.result(JSON.stringify({ t: "give", text, note }));
    else if (json) this.#out.line(text);
    else this.#out.result(text);
  }

  line(prompt: string): Promise<string | undefined> {
    this.#waiter?.(undefined);
    this.#waiter = undefined;
    if (prompt !== "") this.#out.line(`${prompt}:`);
    this.#open();
    const line = this.#lines.shift();
    if (line !== undefined || this.#ended) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  /** Lets go of the input. Idempotent. */
  close(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#end();
    if (!reader) return;
    reader.close();
    process.stdin.pause();
  }

  #open(): void {
    if (this.#reader || this.#ended) return;
    const { stdin } = process;
    const terminal = stdin.isTTY === true && process.stderr.isTTY === true;
    // A terminal by itself takes no more than 4095 characters of a line; an editor of lines has no such limit.
    const reader = createInterface(
      terminal ? { input: stdin, output: process.stderr, terminal, historySize: 0 } : { input: stdin },
    );
    reader.on("line", (line) => this.#push(line));
    reader.on("close", () => this.#end());
    // The editor takes keys for itself that are signals otherwise.
    reader.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    this.#reader = reader;
  }

  #push(line: string): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter) waiter(line);
    else this.#lines.push(line);
  }

  #end(): void {
    this.#ended = true;
    this.#waiter?.(undefined);
    this.#waiter = undefined;
  }
}
