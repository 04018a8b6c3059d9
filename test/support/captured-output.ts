import type { Output } from "../../src/cli/output.ts";

/** An output that keeps what was written, by stream. */
export class CapturedOutput implements Output {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly interactive = false;
  readonly color = false;

  result(text: string): void {
    this.stdout.push(text);
  }

  line(text: string): void {
    this.stderr.push(text);
  }

  live(lines: () => string): void {
    this.stderr.push(lines());
  }

  settle(): void {}
}
