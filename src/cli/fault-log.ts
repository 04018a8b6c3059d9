import { shown } from "./units.ts";

const INTERVAL_MS = 10_000;

/**
 * Lines for `--verbose`: what was wrong with what came in, by kind. Counts start again from zero when the child
 * process is replaced; the sums here go on.
 */
export class FaultLog {
  #sums = new Map<string, number>();
  /** Sums of the children before, and the newest counts of this one. */
  #before = new Map<string, number>();
  #newest: Readonly<Record<string, number>> = {};
  #said = new Map<string, number>();
  #saidAt: number | undefined;

  /** Takes the counts of a status. A line when some have grown and none was given for ten seconds. */
  push(faults: Readonly<Record<string, number>>, nowMs: number): string | undefined {
    if (Object.entries(this.#newest).some(([kind, n]) => (faults[kind] ?? 0) < n)) this.#before = this.#sums;
    this.#newest = faults;
    this.#sums = new Map(this.#before);
    for (const [kind, n] of Object.entries(faults)) this.#sums.set(kind, (this.#before.get(kind) ?? 0) + n);
    this.#saidAt ??= nowMs;
    if (nowMs - this.#saidAt < INTERVAL_MS || !this.#grown()) return undefined;
    this.#saidAt = nowMs;
    return this.#line();
  }

  /** The line for the end. */
  finish(): string {
    return this.#sums.size === 0 ? "faults: none" : this.#line();
  }

  #grown(): boolean {
    for (const [kind, n] of this.#sums) if (n > (this.#said.get(kind) ?? 0)) return true;
    return false;
  }

  /** `faults: rtp-duplicate 12 (+3), rtp-malformed 1`. */
  #line(): string {
    const parts = [...this.#sums].map(([kind, n]) => {
      const said = this.#said.get(kind);
      const growth = said !== undefined && n > said ? ` (+${n - said})` : "";
      return `${shown(kind)} ${n}${growth}`;
    });
    this.#said = this.#sums;
    return `faults: ${parts.join(", ")}`;
  }
}
