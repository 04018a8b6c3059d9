import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordResult } from "../../src/bot/record.ts";
import { type FileOpened, type JournalEntry, readJournal } from "../../src/sinks/recorder/journal.ts";
import { MANIFEST_FILE, type Manifest } from "../../src/sinks/recorder/manifest.ts";
import { type CliOptions, type CliResult, type CliRun, startCli } from "./cli.ts";
import { childrenOf } from "./processes.ts";
import { until } from "./until.ts";

/** A recording that ended: what the command printed and what it left on disk. */
export type Recorded = CliResult & { readonly result: RecordResult; readonly manifest: Manifest };

/** `roomtap record` as a process of its own. */
export class Recording {
  readonly run: CliRun;
  readonly #out: string;

  /** Starts to record into `out`, which no other recording uses. The caller ends it, or gives a duration. */
  constructor(room: string, out: string, args: readonly string[] = [], o: CliOptions = {}) {
    this.#out = out;
    this.run = startCli(["record", room, "--out", out, "--json", ...args], o);
  }

  /** The session directory; undefined before it is made. */
  get directory(): string | undefined {
    const names = existsSync(this.#out) ? readdirSync(this.#out).filter((name) => !name.startsWith(".")) : [];
    return names[0] === undefined ? undefined : join(this.#out, names[0]);
  }

  /** The session's journal so far. */
  get journal(): JournalEntry[] {
    return this.directory === undefined ? [] : readJournal(this.directory);
  }

  /** Resolves with the n-th file of the session (from 1) as soon as something is written into it. */
  fileOpened(n = 1): Promise<FileOpened> {
    return until(
      `file ${n} in ${this.#out}`,
      () => this.journal.filter((e) => e.t === "file-open")[n - 1],
      30_000,
    );
  }

  /** Waits for the moment that is this many milliseconds after the session's first media. */
  async sessionTime(ms: number): Promise<void> {
    const zero = await until(
      `media in ${this.#out}`,
      () => this.journal.find((e) => e.t === "first-media")?.at,
      30_000,
    );
    await new Promise((resolve) => {
      setTimeout(resolve, Math.max(0, zero + ms - Date.now()));
    });
  }

  /** Process id of the media process. */
  mediaProcess(): Promise<number> {
    return until("a media process", () => {
      const children = this.run.child.pid === undefined ? [] : childrenOf(this.run.child.pid);
      return children.find((c) => /bot\/child\.js/.test(c.command))?.pid;
    });
  }

  /** The end of the command. Its standard output must be one JSON document. */
  async ended(): Promise<Recorded> {
    const end = await this.run.done;
    if (end.stdout.trim() === "") throw new Error(`no result: ${end.code} ${end.signal} ${end.stderr}`);
    const result = JSON.parse(end.stdout) as RecordResult;
    const manifest = JSON.parse(readFileSync(join(result.session, MANIFEST_FILE), "utf8")) as Manifest;
    return { ...end, result, manifest };
  }
}
