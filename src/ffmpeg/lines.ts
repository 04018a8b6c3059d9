/** A line longer than this is cut: nothing that ffmpeg says is. */
const MAX_LINE = 64 * 1024;

/** Cuts text that comes in pieces into lines without empty ones. `\r` ends a line too: ffmpeg's status does. */
export class LineReader {
  #unfinished = "";

  /** Adds text; returns the lines it completes. */
  push(text: string): string[] {
    const lines = (this.#unfinished + text).split(/[\r\n]+/);
    this.#unfinished = (lines.pop() ?? "").slice(-MAX_LINE);
    return lines.filter((line) => line !== "");
  }

  /** The text is over: the line that nothing ended. */
  end(): string[] {
    const last = this.#unfinished;
    this.#unfinished = "";
    return last === "" ? [] : [last];
  }
}
