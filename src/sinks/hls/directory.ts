import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Backoff } from "../../core/backoff.ts";
import { concat } from "../../core/bytes.ts";
import { RoomtapError } from "../../core/fault.ts";
import { makeDirectory } from "../directory.ts";

/** Where a stream is written, and what of. */
export type HlsDirectoryOptions = {
  readonly directory: string;
  /** Names of the directories in it. */
  readonly renditions: readonly string[];
  /** Called once when writing fails; again only after it worked. */
  readonly onFailure: (error: RoomtapError) => void;
  /** It works again. */
  readonly onRecovered?: () => void;
  /** Segments that wait while the disk does not take them; undefined: until `remove`. */
  readonly maxWaiting: number | undefined;
  /** A segment is not written, for too many wait. */
  readonly onDropped: (path: string) => void;
  /** A directory was gone and is there again, empty: what belongs there is to be written anew. */
  readonly onRemade: () => void;
};

const RETRY_MS = 1000;
const MAX_RETRY_MS = 15_000;
/** How long the end of a stream waits for the disk. */
const CLOSE_MS = 5000;
const TEMPORARY = ".tmp";
const PLAYLIST = "index.m3u8";
const SEGMENT = /(^|\/)seg-[a-z0-9]+-\d{6,}\.(m4s|ts)$/;
const VARIANT = /^[A-Za-z0-9-]+\/index\.m3u8$/;
/** What a stream leaves in its directory. */
const OURS = /^(seg-[a-z0-9]+-\d{6,}\.(m4s|ts)|init-[a-z0-9]+-\d+\.mp4|index\.m3u8)(\.tmp)?$/;

type Write = { readonly path: string; readonly body: readonly Uint8Array[] };

/**
 * The directory of a live stream. Every file appears whole under its name, a playlist only after all that it lists.
 * While the disk fails, what is new waits; it is written when the disk is back, playlists as they are then.
 */
export class HlsDirectory {
  readonly #o: HlsDirectoryOptions;
  /** In order; segments before the playlists that list them. */
  #files: Write[] = [];
  readonly #playlists = new Map<string, string>();
  readonly #removals = new Set<string>();
  readonly #backoff = new Backoff({ baseMs: RETRY_MS, capMs: MAX_RETRY_MS, random: Math.random });
  #failure: string | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** Directories that were not there before, the inner ones first. */
  readonly #made: readonly string[];

  /**
   * Makes the directories, and clears them of an earlier stream of ours. Throws a RoomtapError `output-unwritable` or
   * `disk-full`; also where somebody else's playlist stands in the place of ours, which is left alone.
   */
  constructor(o: HlsDirectoryOptions) {
    this.#o = o;
    const folders = [...o.renditions.map((name) => join(o.directory, name)), o.directory];
    this.#made = folders.filter((folder) => !existsSync(folder));
    try {
      for (const name of o.renditions) makeDirectory(join(o.directory, name));
      const theirs = folders.find((folder) => ownership(folder) === "theirs");
      if (theirs !== undefined)
        throw new RoomtapError("output-unwritable", `${join(theirs, PLAYLIST)} is not a stream of ours`, {
          hint: "choose another directory with --hls, or remove it",
        });
      for (const folder of folders) forgetOldStream(folder);
    } catch (cause) {
      throw cause instanceof RoomtapError ? cause : streamError(o.directory, cause);
    }
  }

  /** Why nothing can be written now; undefined: it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** A file that never changes. */
  file(path: string, body: readonly Uint8Array[]): void {
    this.#files.push({ path, body });
    const { maxWaiting, onDropped } = this.#o;
    if (maxWaiting !== undefined && this.#files.length > maxWaiting) {
      // A stream goes on; headers are small, and nothing plays without them.
      const [dropped] = this.#files.splice(
        this.#files.findIndex((f) => SEGMENT.test(f.path)),
        1,
      );
      if (dropped) onDropped(dropped.path);
    }
    this.#work();
  }

  /** A playlist as it is now. */
  playlist(path: string, text: string): void {
    // The newest text is written last.
    this.#playlists.delete(path);
    this.#playlists.set(path, text);
    this.#work();
  }

  /** A file that nobody asks for any more. */
  remove(path: string): void {
    this.#files = this.#files.filter((f) => f.path !== path);
    this.#removals.add(path);
    this.#work();
  }

  /** What was written under a path, or is about to be; undefined: nothing, or it cannot be read. */
  read(path: string): Uint8Array | undefined {
    const waiting = this.#files.find((f) => f.path === path);
    if (waiting) return concat(waiting.body);
    try {
      return readFileSync(join(this.#o.directory, path));
    } catch {
      return undefined;
    }
  }

  /** Resolves when all is written, or cannot be. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    let timer: NodeJS.Timeout | undefined;
    // A file system that hangs answers never.
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#finish(performance.now() + CLOSE_MS), late]);
    clearTimeout(timer);
    this.#leaveNothingEmpty();
  }

  /** A stream that never began leaves no trace. */
  #leaveNothingEmpty(): void {
    for (const folder of this.#made) {
      try {
        rmdirSync(folder);
      } catch {
        // Something is in it, or it is gone.
      }
    }
  }

  async #finish(end: number): Promise<void> {
    this.#work();
    await this.#working;
    while (this.#failure !== undefined && performance.now() < end) {
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS / 4);
      });
      this.#makeAgain();
      this.#work();
      await this.#working;
    }
  }

  #work(): void {
    if (this.#retry) return;
    this.#working ??= this.#drain().finally(() => {
      this.#working = undefined;
    });
  }

  async #drain(): Promise<void> {
    try {
      for (;;) {
        const [file] = this.#files;
        const [playlist] = this.#playlists;
        const [gone] = this.#removals;
        if (file) {
          await this.#write(file.path, file.body);
          if (this.#files[0] === file) this.#files.shift();
        } else if (playlist) {
          const [path, text] = playlist;
          await this.#write(path, [Buffer.from(text)]);
          if (this.#playlists.get(path) === text) this.#playlists.delete(path);
        } else if (gone !== undefined) {
          this.#removals.delete(gone);
          await rm(join(this.#o.directory, gone), { force: true });
        } else break;
      }
      if (this.#failure !== undefined) this.#o.onRecovered?.();
      this.#failure = undefined;
      this.#backoff.reset();
    } catch (cause) {
      this.#failed(cause);
    }
  }

  async #write(path: string, body: readonly Uint8Array[]): Promise<void> {
    const target = join(this.#o.directory, path);
    const temporary = `${target}${TEMPORARY}`;
    const file = await open(temporary, "w");
    try {
      await file.writeFile(concat(body));
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  }

  #failed(cause: unknown): void {
    const error = streamError(this.#o.directory, cause);
    if (this.#failure === undefined) this.#o.onFailure(error);
    this.#failure = error.message;
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#makeAgain();
      this.#work();
    }, this.#backoff.next());
  }

  /** Somebody may have removed the directory. */
  #makeAgain(): void {
    const gone = this.#o.renditions.map((n) => join(this.#o.directory, n)).filter((p) => !existsSync(p));
    if (gone.length === 0) return;
    try {
      for (const path of gone) makeDirectory(path);
    } catch {
      // The next write says why.
      return;
    }
    this.#o.onRemade();
  }
}

/** Whose the playlist in a directory is. */
function ownership(folder: string): "ours" | "theirs" | "nobody's" {
  if (!existsSync(join(folder, PLAYLIST))) return "nobody's";
  const text = readFileSync(join(folder, PLAYLIST), "utf8");
  const listed = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const ours = (uri: string) => SEGMENT.test(uri) || VARIANT.test(uri);
  return text.startsWith("#EXTM3U") && listed.length > 0 && listed.every(ours) ? "ours" : "theirs";
}

/** Removes an earlier stream of ours: files of its names beside a playlist of ours. */
function forgetOldStream(folder: string): void {
  if (ownership(folder) !== "ours") return;
  for (const name of readdirSync(folder)) if (OURS.test(name)) rmSync(join(folder, name), { force: true });
}

function streamError(directory: string, cause: unknown): RoomtapError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const hint = "free space, or choose another directory with --hls";
  if (code === "ENOSPC" || code === "EDQUOT")
    return new RoomtapError("disk-full", `the disk of ${directory} is full`, { hint, cause });
  return new RoomtapError("output-unwritable", `cannot write ${directory}${code ? ` (${code})` : ""}`, {
    hint: "choose another directory with --hls",
    cause,
  });
}
