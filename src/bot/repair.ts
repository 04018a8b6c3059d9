import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ExitCode, type ExitCodeValue, RoomtapError } from "../core/fault.ts";
import { locateFfmpeg } from "../ffmpeg/locate.ts";
import { diskError } from "../sinks/recorder/block-writer.ts";
import { fileSize, foundFiles } from "../sinks/recorder/found-files.ts";
import { JOURNAL_FILE, type JournalEntry, readJournal } from "../sinks/recorder/journal.ts";
import { MANIFEST_FILE, type Manifest, manifestOf } from "../sinks/recorder/manifest.ts";
import { checkManifest } from "../sinks/recorder/manifest-schema.ts";
import type { AskedFormat } from "../sinks/recorder/output.ts";
import { type RecoveredFile, recoverSession } from "../sinks/recorder/recover.ts";
import { readTrustedJournal } from "../sinks/recorder/trusted-journal.ts";
import { MAX_JSON } from "../sinks/verify/session.ts";
import { finishSession } from "./finish-session.ts";
import { repairFile } from "./repair-file.ts";
import { takeSession } from "./session-lock.ts";

/** What to repair, and how. */
export type RepairOptions = {
  /** A session directory, a directory of sessions, or a Matroska file that belongs to none. */
  readonly path: string;
  /** Container to make of what is still Matroska; default: what the recording was to become. */
  readonly format?: AskedFormat;
  readonly ffmpeg?: string;
  /** Make posters and a contact sheet where they are missing; default true. */
  readonly pictures?: boolean;
  /** Aborting ends the work after the file at hand, and skips conversions: all that was done stays. */
  readonly stop?: AbortSignal;
  readonly onProgress?: (progress: { readonly session: string; readonly share: number }) => void;
  /** Called as soon as a session, or the single file, is done. */
  readonly onDone?: (repaired: Repaired) => void;
};

/** What was done to a session, or to a single file. */
export type Repaired = {
  /** Absolute path of the session's directory, or of the file. */
  readonly path: string;
  /**
   * `whole`: nothing was to be done. `repaired`: it is complete now. `failed`: not all of it is; why is said in
   * `files` and `error`. `running`: it is being recorded, and was left alone.
   */
  readonly state: "whole" | "repaired" | "failed" | "running";
  /** What was done, by names in the directory. Files that were whole are not among them. */
  readonly files: readonly (Omit<RecoveredFile, "failure"> & { readonly error?: RepairError })[];
  /** The manifest was written anew. */
  readonly manifest: boolean;
  readonly error?: RepairError;
};

/** Why something could not be repaired. */
export type RepairError = { readonly code: string; readonly message: string; readonly hint?: string };

/** How a repair ended. */
export type RepairResult = { readonly repaired: readonly Repaired[]; readonly exit: ExitCodeValue };

/**
 * Makes interrupted sessions complete. What is whole is left alone, what cannot be repaired is left as it is and
 * named. Rejects with a RoomtapError `usage` when there is nothing to repair at the path, or a single session that
 * is named is being recorded.
 */
export async function repair(o: RepairOptions): Promise<RepairResult> {
  const path = resolve(o.path);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw nothing(o.path);
  const work = new Repair(o);
  if (!stat.isDirectory()) return work.file(path);
  if (isSession(path)) return work.sessions([path]);
  const sessions = readdirSync(path, { withFileTypes: true })
    .filter((e) => e.isDirectory() && isSession(join(path, e.name)))
    .map((e) => join(path, e.name))
    .sort();
  if (sessions.length === 0) throw nothing(o.path);
  return work.sessions(sessions);
}

class Repair {
  readonly #o: RepairOptions;
  readonly #skip: AbortSignal;
  readonly #done: Repaired[] = [];
  #exit: ExitCodeValue = ExitCode.ok;
  #ffmpeg: Promise<string> | undefined;

  constructor(o: RepairOptions) {
    this.#o = o;
    this.#skip = o.stop ?? new AbortController().signal;
  }

  async file(path: string): Promise<RepairResult> {
    const directory = dirname(path);
    const name = basename(path);
    if (readJournal(directory).some((e) => names(e).includes(name))) {
      throw new RoomtapError("usage", `${name} is a part of the session ${directory}`, {
        hint: `repair all of it: roomtap repair ${directory}`,
      });
    }
    const files: RecoveredFile[] = [];
    let failure: RoomtapError | undefined;
    try {
      const made = await repairFile({
        path,
        format: this.#o.format,
        ffmpeg: () => this.#locateFfmpeg(),
        skip: this.#skip,
        onProgress: (share) => this.#o.onProgress?.({ session: path, share }),
      });
      files.push(...made);
    } catch (error) {
      if (!(error instanceof RoomtapError) || error.code === "usage") throw error;
      failure = error;
    }
    this.#tell(path, { files, failure, manifest: false });
    return { repaired: this.#done, exit: this.#exit };
  }

  async sessions(directories: readonly string[]): Promise<RepairResult> {
    for (const directory of directories) {
      if (this.#o.stop?.aborted) {
        this.#fail(ExitCode.incomplete);
        break;
      }
      await this.#session(directory, directories.length === 1);
    }
    return { repaired: this.#done, exit: this.#exit };
  }

  async #session(directory: string, alone: boolean): Promise<void> {
    let release: (() => void) | undefined;
    try {
      release = takeSession(directory);
    } catch (error) {
      this.#tell(directory, { files: [], failure: diskError(directory, error), manifest: false });
      return;
    }
    if (!release) {
      if (alone) {
        throw new RoomtapError("usage", `${directory} is being recorded, or repaired, right now`, {
          hint: "end the recording with Ctrl-C: it completes its files itself",
        });
      }
      this.#add({ path: directory, state: "running", files: [], manifest: false });
      return;
    }
    try {
      await this.#repair(directory);
    } finally {
      release();
    }
  }

  async #repair(directory: string): Promise<void> {
    const files: RecoveredFile[] = [];
    let failure: RoomtapError | undefined;
    let manifest = false;
    try {
      // A named one that does not run is an error also where none is needed.
      if (this.#o.ffmpeg !== undefined) await this.#locateFfmpeg();
      const ffmpeg = () => this.#locateFfmpeg().catch(() => "");
      failure = await recoverSession(directory, {
        ffmpeg,
        skip: this.#skip,
        thorough: this.#o.format === undefined ? {} : { format: this.#o.format },
        onProgress: (share) => this.#o.onProgress?.({ session: directory, share }),
        onFile: (file) => files.push(file),
      });
      manifest = await this.#renewManifest(directory, ffmpeg, files.length > 0);
    } catch (error) {
      const last = error instanceof RoomtapError ? error : diskError(directory, error);
      this.#fail(last.exitCode);
      failure ??= last;
    }
    this.#tell(directory, { files, failure, manifest });
  }

  /** Writes the manifest when the session changed, or none is there that tells of it. True: it was written. */
  async #renewManifest(directory: string, ffmpeg: () => Promise<string>, changed: boolean): Promise<boolean> {
    const entries = readTrustedJournal(directory);
    if (entries.length === 0 && !(await readManifest(directory)))
      throw new RoomtapError("incomplete", "no journal and no manifest tells what the session was", {
        hint: "its media files can be looked at one by one: roomtap verify FILE",
      });
    if (entries.length === 0) return false;
    const wanted = manifestOf(entries);
    const pictured = this.#o.pictures === false || hasPictures(directory, wanted);
    if (!changed && pictured && tellsOf(await readManifest(directory), wanted)) return false;
    removeLinks(directory);
    let failure: Error | undefined;
    await finishSession(directory, {
      ffmpeg: this.#o.pictures === false ? "" : await ffmpeg(),
      skip: this.#skip,
      onFailure: (error) => {
        failure ??= error;
      },
    });
    if (failure) throw failure;
    const made = await checkManifest(manifestOf(readTrustedJournal(directory)));
    if ("problem" in made)
      throw new RoomtapError("incomplete", `the journal amounts to no manifest: ${made.at} ${made.problem}`, {
        hint: "what it tells cannot be; its media files can be looked at one by one: roomtap verify FILE",
      });
    return true;
  }

  /** Looked for once. */
  #locateFfmpeg(): Promise<string> {
    this.#ffmpeg ??= locateFfmpeg(this.#o.ffmpeg);
    return this.#ffmpeg;
  }

  #tell(
    path: string,
    o: { files: readonly RecoveredFile[]; failure: RoomtapError | undefined; manifest: boolean },
  ): void {
    const { files, failure, manifest } = o;
    const ownFailure = failure && !files.some((f) => f.failure === failure) ? failure : undefined;
    for (const f of [...files.map((file) => file.failure), failure]) if (f) this.#fail(f.exitCode);
    const changed = files.length > 0 || manifest;
    this.#add({
      path,
      state: failure ? "failed" : changed ? "repaired" : "whole",
      files: files.map(({ failure: why, ...file }) => ({ ...file, ...(why ? { error: inWords(why) } : {}) })),
      manifest,
      ...(ownFailure ? { error: inWords(ownFailure) } : {}),
    });
  }

  #add(repaired: Repaired): void {
    this.#done.push(repaired);
    this.#o.onDone?.(repaired);
  }

  /** A disk that is full says more than what is incomplete for it. */
  #fail(code: ExitCodeValue): void {
    if (this.#exit !== ExitCode.output) this.#exit = code;
  }
}

/** Takes away links that stand where files are going to be written: they would be written elsewhere. */
function removeLinks(directory: string): void {
  for (const e of readdirSync(directory, { withFileTypes: true })) {
    if (e.isSymbolicLink() && written.test(e.name)) rmSync(join(directory, e.name));
  }
}

/** What the end of a session writes beside media. */
const written = /\.(?:json|vtt|jpg|tmp|jpg\.part)$/;

/** A manifest tells of the same files, at the same times, and that they are all. */
function tellsOf(found: Manifest | undefined, wanted: Manifest): boolean {
  const told = (m: Manifest) =>
    JSON.stringify([m.durationMs, m.files.map((f) => [f.path, f.bytes, f.startMs, f.durationMs])]);
  return found?.complete === wanted.complete && told(found) === told(wanted);
}

/** The pictures that a manifest names are there. */
function hasPictures(directory: string, { files, contactSheet }: Manifest): boolean {
  const named = [...files.map((f) => f.poster), contactSheet].filter((name) => name !== undefined);
  return named.every((name) => fileSize(join(directory, name)) !== undefined);
}

/** The manifest on disk, where it can be used: others refuse what does not keep to its schema, or is endless. */
async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = join(directory, MANIFEST_FILE);
  const size = fileSize(path);
  if (size === undefined || size > MAX_JSON) return undefined;
  try {
    const checked = await checkManifest(JSON.parse(readFileSync(path, "utf8")));
    return "manifest" in checked ? checked.manifest : undefined;
  } catch {
    return undefined;
  }
}

/** A directory with a journal or a manifest, or with a recording that was not completed. */
function isSession(directory: string): boolean {
  const has = (name: string) => fileSize(join(directory, name)) !== undefined;
  return (
    has(JOURNAL_FILE) ||
    has(MANIFEST_FILE) ||
    foundFiles(directory, [], "auto").some((f) => f.name.endsWith(".part"))
  );
}

function names(e: JournalEntry): string[] {
  if (e.t === "file-open") return [e.temp];
  return e.t === "file-complete" || e.t === "file-close" ? [e.path] : [];
}

function inWords(e: RoomtapError): RepairError {
  return { code: e.code, message: e.message, ...(e.hint === undefined ? {} : { hint: e.hint }) };
}

function nothing(path: string): RoomtapError {
  return new RoomtapError("usage", `there is nothing to repair at ${path}`, {
    hint: "name a session directory, a directory of sessions, or a file like talk.webm.part",
  });
}
