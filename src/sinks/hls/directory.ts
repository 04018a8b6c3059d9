import { readdirSync, readFileSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { concat } from "../../core/bytes.ts";
import type { RoomtapError } from "../../core/fault.ts";
import { makeDirectory } from "../directory.ts";
import { diskError } from "../recorder/block-writer.ts";

/** Where a stream is written, and what of. */
export type HlsDirectoryOptions = {
  readonly directory: string;
  /** Names of the directories in it. */
  readonly renditions: readonly string[];
  /** Called once when writing fails; again only after it worked. */
  readonly onFailure: (error: RoomtapError) => void;
};

/** Files that wait while the disk does not take them: a window's worth. */
const MAX_WAITING = 64;
const RETRY_MS = 1000;
/** How long the end of a stream waits for the disk. */
const CLOSE_MS = 5000;
const TEMPORARY = ".tmp";
/** What a stream leaves in the directory of a rendition. */
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
  #failure: string | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Makes the directories. Throws a RoomtapError `output-unwritable` or `disk-full`. */
  constructor(o: HlsDirectoryOptions) {
    this.#o = o;
    try {
      for (const name of o.renditions) {
        const path = join(o.directory, name);
        makeDirectory(path);
        forgetOldStream(path);
      }
      rmSync(join(o.directory, "index.m3u8"), { force: true });
    } catch (cause) {
      throw diskError(o.directory, cause);
    }
  }

  /** Why nothing can be written now; undefined: it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** A file that never changes. */
  file(path: string, body: readonly Uint8Array[]): void {
    this.#files.push({ path, body });
    // A stream goes on; what is so old is in no playlist any more.
    if (this.#files.length > MAX_WAITING) this.#files.shift();
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

  /** What was written under a path; undefined: nothing, or it cannot be read. */
  read(path: string): Uint8Array | undefined {
    try {
      return readFileSync(join(this.#o.directory, path));
    } catch {
      return undefined;
    }
  }

  /** Resolves when all is written, or cannot be. */
  async close(): Promise<void> {
    this.#closed = true;
    const end = performance.now() + CLOSE_MS;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#work();
    await this.#working;
    while (this.#failure !== undefined && performance.now() < end) {
      await new Promise((resolve) => {
        setTimeout(resolve, RETRY_MS / 4);
      });
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
      this.#failure = undefined;
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
    const error = diskError(this.#o.directory, cause);
    if (this.#failure === undefined) this.#o.onFailure(error);
    this.#failure = error.message;
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#makeAgain();
      this.#work();
    }, RETRY_MS);
  }

  /** Somebody may have removed the directory. */
  #makeAgain(): void {
    try {
      for (const name of this.#o.renditions) makeDirectory(join(this.#o.directory, name));
    } catch {
      // The next write says why.
    }
  }
}

/** Removes an earlier stream of ours: files of its names beside a playlist that lists such. */
function forgetOldStream(path: string): void {
  const names = readdirSync(path);
  if (!names.includes("index.m3u8")) return;
  const text = readFileSync(join(path, "index.m3u8"), "utf8");
  if (!text.startsWith("#EXTM3U") || !/^seg-[a-z0-9]+-\d{6,}\.(m4s|ts)$/m.test(text)) return;
  for (const name of names) if (OURS.test(name)) rmSync(join(path, name), { force: true });
}
