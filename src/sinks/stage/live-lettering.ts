import { type DrawnText, drawText, type TextLine } from "../../ffmpeg/draw-text.ts";
import { faded, keyOf } from "../compositor/lettering.ts";
import type { Letters } from "../compositor/painter.ts";

/** Lines that are kept; who was gone for long is written again. */
const MAX_LINES = 400;
/** Lines that are asked for at the same time are drawn by one process. Milliseconds. */
const GATHER_MS = 50;
/** Drawing failed: again after this long. */
const RETRY_MS = 10_000;

/** How lines are drawn; as `drawText`. */
export type Draw = (
  ffmpeg: string,
  lines: readonly TextLine[],
  signal: AbortSignal,
) => Promise<readonly DrawnText[] | undefined>;

/** What lettering needs. */
export type LiveLetteringOptions = {
  readonly ffmpeg: string;
  /** Lines that were asked for are there now. */
  readonly onDrawn: () => void;
  readonly draw?: Draw;
};

/**
 * Lines of text, drawn when they are first asked for, by a process of its own. Nobody waits for them: what is not drawn
 * yet is not there.
 */
export class LiveLettering implements Letters {
  readonly #o: LiveLetteringOptions;
  readonly #drawn = new Map<string, DrawnText>();
  readonly #wanted = new Map<string, TextLine>();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> | undefined;

  /** Whoever makes it closes it. */
  constructor(o: LiveLetteringOptions) {
    this.#o = o;
  }

  /** A line as it was drawn; undefined: nothing is to be seen of it, or not yet. */
  of(line: TextLine): DrawnText | undefined {
    if (line.text === "") return undefined;
    const key = keyOf(line);
    const drawn = this.#drawn.get(key);
    if (drawn) return drawn.width > 0 ? drawn : undefined;
    if (this.#wanted.size < MAX_LINES) this.#wanted.set(key, line);
    this.#later(GATHER_MS);
    return undefined;
  }

  /** Ends the process. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#work;
  }

  #later(ms: number): void {
    if (this.#timer || this.#work || this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#work = this.#draw().then((ok) => {
        this.#work = undefined;
        if (this.#wanted.size > 0) this.#later(ok ? GATHER_MS : RETRY_MS);
      });
    }, ms);
  }

  /** False: it is of no use to try again at once. */
  async #draw(): Promise<boolean> {
    const lines = [...this.#wanted];
    const draw = this.#o.draw ?? drawText;
    const texts = lines.map(([, line]) => line);
    const drawn = await draw(this.#o.ffmpeg, texts, this.#stop.signal).catch(() => undefined);
    if (!drawn || this.#stop.signal.aborted) return false;
    for (const [i, [key]] of lines.entries()) {
      this.#wanted.delete(key);
      const text = drawn[i];
      if (text) this.#drawn.set(key, faded(text));
    }
    for (const key of this.#drawn.keys()) {
      if (this.#drawn.size <= MAX_LINES) break;
      this.#drawn.delete(key);
    }
    this.#o.onDrawn();
    return true;
  }
}
