import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RoomtapError } from "../../core/fault.ts";
import { probeFile } from "../../ffmpeg/probe.ts";
import { diskError } from "./block-writer.ts";
import { type Conversion, completeFile, convertAll } from "./convert.ts";
import { type FoundFile, fileSize, foundFiles, halfMade, regularFiles, sessionOf } from "./found-files.ts";
import { type FileClosed, type FileOpened, Journal, type JournalEntry } from "./journal.ts";
import { type AskedFormat, type FileFormat, finalFormat, isFinal, TEMP_SUFFIX } from "./output.ts";
import { finishTornFile, readTornFile, tracksOf } from "./torn-file.ts";
import { cleanJournal, formats, readTrustedJournal } from "./trusted-journal.ts";

/** A conversion and what it was made from are as long as each other within this. */
const SAME_LENGTH_MS = 1000;
/** What a file lost of its end is told from here on: less is a matter of rounding. */
const LOST_MS = 100;

/** What was done to the media of a file, as it was written while recording. */
export type MediaRepair = {
  /** Media of the cluster that had no end, milliseconds; 0: all had. */
  readonly openMs: number;
  /** Octets cut off at the end, of what was being written. */
  readonly cutBytes: number;
  /** Octets in the middle that cannot be read, covered. */
  readonly damagedBytes: number;
};

/** What became of a file of an interrupted session. */
export type RecoveredFile = {
  /** Its name in the session directory now. */
  readonly path: string;
  /**
   * `completed`: it is whole now. `empty`: nothing was in it, it is gone. `spare`: it was there twice, this one is
   * gone. `failed`: it is not what it should be, and why is in `failure`.
   */
  readonly state: "completed" | "empty" | "spare" | "failed";
  readonly durationMs?: number;
  /** Pictures, or packets of sound where there are none. */
  readonly frames?: number;
  /** Absent: the media was whole already. */
  readonly media?: MediaRepair;
  /** The Matroska that it was made of. */
  readonly convertedFrom?: string;
  readonly failure?: RoomtapError;
};

/** Options of `recoverSession`. */
export type RecoverOptions = {
  /**
   * Path of ffmpeg, or how to find it; empty: none, and what needs it stays Matroska. Absent: conversions are left to
   * a later call.
   */
  readonly ffmpeg?: string | (() => Promise<string>);
  readonly skip?: AbortSignal;
  readonly onProgress?: (share: number) => void;
  /**
   * Look at everything: at media that the journal does not tell of, at files that are closed, at conversions that
   * were given up. `format`: other than was asked for.
   */
  readonly thorough?: { readonly format?: AskedFormat };
  readonly onFile?: (file: RecoveredFile) => void;
};

/**
 * Completes what a recorder that died left in a session directory: cuts torn ends, writes durations and cues,
 * gives final containers and names. Does nothing where nothing is open. Resolves with the first failure; throws a
 * RoomtapError `incomplete` when the journal is no file of the directory, `output-unwritable` when it cannot be
 * written.
 */
export async function recoverSession(
  directory: string,
  o: RecoverOptions = {},
): Promise<RoomtapError | undefined> {
  return await new Recovery(directory, o).run();
}

class Recovery {
  readonly #directory: string;
  readonly #o: RecoverOptions;
  readonly #entries: JournalEntry[];
  readonly #conversions: Conversion[] = [];
  readonly #media = new Map<string, MediaRepair | undefined>();
  #journal: Journal | undefined;
  #failure: RoomtapError | undefined;

  constructor(directory: string, o: RecoverOptions) {
    this.#directory = directory;
    this.#o = o;
    if (o.thorough) cleanJournal(directory);
    this.#entries = readTrustedJournal(directory);
  }

  async run(): Promise<RoomtapError | undefined> {
    try {
      for (const file of this.#opened()) await this.#guarded(file.temp, () => this.#look(file));
      if (this.#o.thorough) await this.#adopt(this.#o.thorough.format);
      await this.#convert();
      return this.#failure;
    } finally {
      this.#journal?.close();
    }
  }

  /** Files that were begun, but for those of which is known that nothing was in them. */
  #opened(): FileOpened[] {
    const files = new Map(this.#entries.flatMap((e) => (e.t === "file-open" ? [[e.id, e]] : [])));
    for (const e of this.#entries) if (e.t === "file-empty") files.delete(e.id);
    return [...files.values()];
  }

  #closed(id: string): FileClosed | undefined {
    return this.#entries.filter((e) => e.t === "file-close").findLast((e) => e.id === id);
  }

  /** The name that the finished Matroska got, or what was found instead. */
  #finishedAs(id: string): string | undefined {
    return this.#entries.filter((e) => e.t === "file-complete").findLast((e) => e.id === id)?.path;
  }

  async #look(file: FileOpened): Promise<void> {
    const closed = this.#closed(file.id);
    if (!closed) await this.#complete(file, this.#placeOf(file));
    else if (this.#o.thorough) await this.#lookAgain(file, closed);
  }

  /** A file that is closed: it may have lost its end with the machine's power, or never have got its container. */
  async #lookAgain(file: FileOpened, closed: FileClosed): Promise<void> {
    const size = fileSize(this.#path(closed.path));
    const written = this.#finishedAs(file.id);
    const source = written !== closed.path && this.#exists(written) ? written : undefined;
    const intact = size === closed.bytes;
    if (!intact && source !== undefined) {
      await this.#complete(file, source);
    } else if (!intact && size !== undefined && /\.(?:webm|mkv)$/.test(closed.path)) {
      await this.#complete(file, closed.path);
    } else if (!intact) {
      const how = size === undefined ? "is gone" : "is not as it was closed, and what it was made of is gone";
      throw new RoomtapError("incomplete", `${this.#path(closed.path)} ${how}`);
    } else if (written === closed.path && this.#needsConversion(file, closed)) {
      await this.#dropHalves(file);
      const { durationMs, tracks } = closed;
      this.#conversions.push({ ...this.#conversionOf(file, closed.path), durationMs, tracks });
    } else if (source !== undefined) {
      rmSync(this.#path(source));
      this.#tell({ path: source, state: "spare" });
    }
  }

  /** Makes one file whole. `place`: its name. */
  async #complete(file: FileOpened, place: string | undefined): Promise<void> {
    if (place === undefined) {
      const isThere = lstatSync(this.#path(file.temp), { throwIfNoEntry: false }) !== undefined;
      if (!isThere && !this.#o.thorough) return;
      const how = isThere ? "is not a regular file; it is left as it is" : "is gone";
      throw new RoomtapError("incomplete", `${this.#path(file.temp)} ${how}`);
    }
    await this.#dropHalves(file);
    const path = this.#path(place);
    const { scan, size } = await readTornFile(path);
    const before = this.#closed(file.id);
    if (!scan && before?.tracks.some((t) => t.frames > 0)) {
      const seconds = (before.durationMs / 1000).toFixed(1);
      throw new RoomtapError("incomplete", `${path} holds nothing of its ${seconds} s; it is left as it is`);
    }
    if (!scan) {
      rmSync(path, { force: true });
      this.#append({ t: "file-empty", id: file.id });
      this.#tell({ path: place, state: "empty" });
      return;
    }
    if (!scan.finished) {
      await finishTornFile(path, scan);
      const { openMs, damaged: damagedBytes } = scan;
      this.#media.set(file.id, { openMs, cutBytes: size - scan.length, damagedBytes });
    }
    const media = { durationMs: Math.round(scan.endMs), tracks: tracksOf(scan) };
    if (before) this.#sayLost(file, before, media.durationMs);
    const made = await this.#alreadyMade(file, media);
    const name = place.endsWith(TEMP_SUFFIX)
      ? completeFile(this.#directory, { ...file, temp: place }, scan.docType, this.#open())
      : place;
    if (name === place) this.#append({ t: "file-complete", id: file.id, path: name });
    if (made) {
      this.#append({ ...made, recovered: true });
      rmSync(this.#path(name), { force: true });
      this.#tellCompleted(file.id, made, name);
    } else this.#conversions.push({ ...this.#conversionOf(file, name), ...media });
  }

  /** A file that was closed with more in it than there is now: what is missing stands on the timeline. */
  #sayLost({ id, startMs }: FileOpened, before: FileClosed, nowMs: number): void {
    const [fromMs, toMs] = [startMs + nowMs, startMs + before.durationMs];
    if (toMs - fromMs < LOST_MS) return;
    const isTold = this.#entries.some(
      (e) => e.t === "gap" && e.id === id && e.toMs === toMs && e.cause === "disk",
    );
    if (isTold) return;
    for (const kind of new Set(before.tracks.map((t) => t.kind)))
      this.#append({ t: "gap", id, kind, fromMs, toMs, cause: "disk" });
  }

  /** Removes what a conversion of this file had written when it ended too early; never what was recorded. */
  async #dropHalves(file: FileOpened): Promise<void> {
    const half = halfMade(file);
    const recorded = new Set(this.#opened().map((f) => f.temp));
    for (const name of regularFiles(this.#directory)) {
      if (!half.test(name) || recorded.has(name) || (await this.#isOurs(name))) continue;
      rmSync(this.#path(name), { force: true });
    }
  }

  /** The conversion was done and had its name, but nobody lived to say so. */
  async #alreadyMade(
    file: FileOpened,
    media: Pick<Conversion, "tracks" | "durationMs">,
  ): Promise<FileClosed | undefined> {
    const format = this.#asked(file, media);
    const path = `${file.stem}.${format}`;
    if (!this.#needsConversion(file, media) || this.#isNamed(path) || !this.#exists(path)) return undefined;
    const closed = await this.#closedOf(file.id, path, format).catch(() => undefined);
    return closed && Math.abs(closed.durationMs - media.durationMs) < SAME_LENGTH_MS ? closed : undefined;
  }

  /** Takes up media that the journal does not tell of. */
  async #adopt(format: AskedFormat | undefined): Promise<void> {
    const asked = format ?? this.#opened()[0]?.format ?? "auto";
    const found = foundFiles(this.#directory, this.#entries, asked);
    if (found.length > 0 && !this.#entries.some((e) => e.t === "session"))
      this.#append(sessionOf(this.#directory));
    for (const file of found) await this.#guarded(file.name, () => this.#take(file));
  }

  async #take({ name, opened }: FoundFile): Promise<void> {
    const isTorn = name.endsWith(TEMP_SUFFIX) || (await this.#isOurs(name));
    // First of all whether it can be read: what cannot is no part of the session.
    const closed = isTorn ? undefined : await this.#closedOf(opened.id, name, formatOf(name));
    if (isTorn) await readTornFile(this.#path(name));
    const { participantId: id, participant, startMs } = opened;
    if (!this.#entries.some((e) => e.t === "participant" && e.id === id))
      this.#append({ t: "participant", id, name: participant, joinedMs: startMs });
    this.#append(opened);
    if (!closed) return await this.#complete(opened, name);
    this.#append(closed);
    this.#tellCompleted(opened.id, closed);
  }

  /** A Matroska as we write it first: it can be completed. */
  async #isOurs(name: string): Promise<boolean> {
    if (!/\.(?:webm|mkv)(?:\.part)?$/.test(name)) return false;
    try {
      return (await readTornFile(this.#path(name))).scan !== undefined;
    } catch (error) {
      if (error instanceof RoomtapError) return false;
      throw error;
    }
  }

  async #convert(): Promise<void> {
    const { ffmpeg, skip, onProgress } = this.#o;
    const isDone = (c: Conversion) => !this.#needsConversion(c.opened, c);
    const due = this.#conversions.filter((c) => ffmpeg !== undefined || isDone(c));
    if (due.length === 0) return;
    const path = typeof ffmpeg === "function" ? !due.every(isDone) && (await ffmpeg()) : ffmpeg;
    const failure = await convertAll(due, {
      directory: this.#directory,
      journal: this.#open(),
      ffmpeg: path || "",
      skip: skip ?? new AbortController().signal,
      onProgress: onProgress ?? (() => undefined),
    });
    this.#failure ??= failure;
    this.#entries.splice(0, this.#entries.length, ...readTrustedJournal(this.#directory));
    for (const c of due) {
      const closed = this.#closed(c.opened.id);
      if (!closed) continue;
      if (isDone(c) || closed.path !== c.path) {
        this.#tellCompleted(c.opened.id, closed, closed.path === c.path ? undefined : c.path);
      } else {
        const why = failure ?? new RoomtapError("incomplete", `${this.#path(c.path)} was not converted`);
        this.#tell({ path: c.path, state: "failed", failure: why, ...this.#figures(c.opened.id, closed) });
      }
    }
  }

  /** Where the media of a file is: under its temporary name, or the one it got at the end. */
  #placeOf(file: FileOpened): string | undefined {
    const renamed = ["webm", "mkv"].map((x) => `${file.stem}.${x}`).filter((name) => !this.#isNamed(name));
    return [this.#finishedAs(file.id), file.temp, ...renamed].find((name) => this.#exists(name));
  }

  /** A regular file: what leads elsewhere does not count. */
  #exists(name: string | undefined): name is string {
    return name !== undefined && fileSize(this.#path(name)) !== undefined;
  }

  /** The journal tells whose this is. */
  #isNamed(path: string): boolean {
    return this.#entries.some((e) => (e.t === "file-complete" || e.t === "file-close") && e.path === path);
  }

  #asked(file: FileOpened, { tracks }: Pick<Conversion, "tracks">): FileFormat {
    return finalFormat(
      this.#o.thorough?.format ?? file.format,
      tracks.map((t) => t.codec),
    );
  }

  /** The Matroska that was written is not yet what was asked for. */
  #needsConversion(file: FileOpened, media: Pick<Conversion, "tracks">): boolean {
    const codecs = media.tracks.map((t) => t.codec);
    if (!isFinal(this.#asked(file, media), codecs) || (file.scale && this.#isResized(file.id))) return true;
    const isGap = (e: JournalEntry) => e.t === "gap" && e.id === file.id && e.kind === "video";
    return file.fill !== undefined && this.#entries.some(isGap);
  }

  #isResized(id: string): boolean {
    return this.#entries.some((e) => e.t === "size" && e.id === id);
  }

  #conversionOf(
    file: FileOpened,
    path: string,
  ): Pick<Conversion, "opened" | "path" | "resized" | "recovered"> {
    const format = this.#o.thorough?.format ?? file.format;
    return {
      opened: { ...file, format },
      path,
      resized: this.#isResized(file.id),
      recovered: true,
    };
  }

  async #closedOf(id: string, path: string, format: FileFormat): Promise<FileClosed> {
    const { durationMs, bytes, tracks } = await probeFile(this.#path(path));
    return {
      t: "file-close",
      id,
      path,
      format,
      durationMs: Math.round(durationMs),
      bytes,
      tracks: tracks.map(({ durationMs: _, ...track }) => track),
    };
  }

  #tellCompleted(id: string, closed: FileClosed, convertedFrom?: string): void {
    const made = convertedFrom === undefined ? {} : { convertedFrom };
    this.#tell({ path: closed.path, state: "completed", ...made, ...this.#figures(id, closed) });
  }

  #figures(id: string, { durationMs, tracks }: FileClosed): Partial<RecoveredFile> {
    const media = this.#media.get(id);
    const { frames = 0 } = tracks.find((t) => t.kind === "video") ?? tracks[0] ?? {};
    return { durationMs, frames, ...(media ? { media } : {}) };
  }

  #tell(file: RecoveredFile): void {
    this.#o.onFile?.(file);
  }

  async #guarded(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const failure = error instanceof RoomtapError ? error : diskError(this.#path(name), error);
      this.#failure ??= failure;
      this.#tell({ path: name, state: "failed", failure });
    }
  }

  #append(entry: JournalEntry): void {
    this.#open().append(entry);
    this.#entries.push(entry);
  }

  #open(): Journal {
    this.#journal ??= new Journal(this.#directory);
    return this.#journal;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

function isFileFormat(text: string): text is FileFormat {
  return text !== "auto" && formats.has(text);
}

function formatOf(name: string): FileFormat {
  const extension = name.slice(name.lastIndexOf(".") + 1);
  return isFileFormat(extension) ? extension : "mkv";
}
