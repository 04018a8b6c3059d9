/** What can be wrong with a recording, as a stable name. */
export type FindingCode =
  /** There is no manifest, or none that can be read. */
  | "manifest-missing"
  | "manifest-invalid"
  /** The session was interrupted, or still runs. */
  | "incomplete"
  /** A file under a temporary name was left behind. */
  | "left-over"
  /** The journal knows of a file that the manifest does not. */
  | "manifest-stale"
  /** A path leads out of the session, or to what is no file; it was not opened. */
  | "unsafe-path"
  | "file-missing"
  | "files-overlap"
  | "size-differs"
  | "checksum-differs"
  | "unreadable"
  | "unfinished"
  | "not-seekable"
  | "container-differs"
  | "track-differs"
  | "duration-differs"
  | "time-backwards"
  | "overlap"
  | "unexplained-gap"
  | "decode-errors"
  | "ends-early"
  | "out-of-sync";

/** Something that is wrong. */
export type Finding = {
  readonly code: FindingCode;
  /** One sentence. Names in it are as they came: whoever shows it makes them fit. */
  readonly message: string;
  /** The file that it is about, where it is about one. */
  readonly path?: string;
  /** Where in the file, milliseconds on its own timeline. */
  readonly fromMs?: number;
  readonly toMs?: number;
};

/** What is looked at in a file. */
export type CheckName =
  | "file"
  | "size"
  | "checksum"
  | "container"
  | "seek"
  | "tracks"
  | "duration"
  | "timestamps"
  | "gaps"
  | "decode"
  | "sync";

/** One check of a file and what it saw. */
export type FileCheck = { readonly name: CheckName; readonly ok: boolean; readonly detail: string };

/** Everything that was found out about a file. */
export type FileReport = {
  /** Relative to the session directory; the path that was given where there is no session. */
  readonly path: string;
  readonly ok: boolean;
  /** End of the last packet; absent: it could not be read. */
  readonly durationMs?: number;
  /** What the manifest says. */
  readonly expectedDurationMs?: number;
  readonly checks: readonly FileCheck[];
  readonly findings: readonly Finding[];
};

/** Collects what is found out about one file. */
export class FileJudge {
  readonly #path: string;
  readonly #checks: FileCheck[] = [];
  readonly #findings: Finding[] = [];
  #durationMs: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file's own length, once it is known. */
  measured(durationMs: number): void {
    this.#durationMs = Math.round(durationMs);
  }

  /** The outcome of a check: good without findings. Returns whether it is. */
  check(name: CheckName, detail: string, findings: readonly Omit<Finding, "path">[] = []): boolean {
    const ok = findings.length === 0;
    this.#checks.push({ name, ok, detail });
    for (const f of findings) this.#findings.push({ ...f, path: this.#path });
    return ok;
  }

  report(expectedDurationMs?: number): FileReport {
    return {
      path: this.#path,
      ok: this.#findings.length === 0,
      ...(this.#durationMs === undefined ? {} : { durationMs: this.#durationMs }),
      ...(expectedDurationMs === undefined ? {} : { expectedDurationMs }),
      checks: this.#checks,
      findings: this.#findings,
    };
  }
}
