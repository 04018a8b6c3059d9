import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import type { FilePatch } from "../../core/containers/matroska/writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import type { ProgramFormat, Rendition } from "../program/program.ts";
import { TEMP_SUFFIX } from "../recorder/output.ts";
import { type FileContainer, type FileMuxer, fileContainers, fileMuxer } from "./file-muxer.ts";
import type { OpenLink, PushLink, PushLinkEvents, PushSample } from "./link.ts";

/** Octets that may wait for the disk; more wait where they can be dropped. */
const MAX_WAITING = 4 << 20;
/** A file is begun where at least so much is free. */
const MIN_FREE = 4 << 20;
/** A shorter one that broke off is not worth keeping. */
const MIN_KEPT_MS = 1000;
/** Files of one name. */
const MAX_NUMBER = 9999;

/** What file links need. */
export type FileLinkOptions = {
  /** Of the first file; others get `-2`, `-3` before the extension. What is there already is not touched. */
  readonly path: string;
  readonly rendition: Rendition;
  readonly onNotice?: (level: "info" | "warn" | "error", text: string) => void;
};

/** Throws a RoomtapError (`usage`, `output-unwritable`) where no such file can be written. */
export function checkFileTarget(path: string): void {
  if (containerOf(path) === undefined)
    throw new RoomtapError(
      "usage",
      `--file needs a name that ends in .mp4, .mkv or .ts, not ${basename(path)}`,
    );
  if (existsSync(path) && statSync(path).isDirectory())
    throw new RoomtapError("usage", `${path} is a directory`, { hint: "name a file in it" });
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new RoomtapError("output-unwritable", `no file can be written to ${dirname(path)}`, {
      hint: "make the directory, or choose another one",
      cause,
    });
  }
}

function containerOf(path: string): FileContainer | undefined {
  const extension = extname(path).slice(1).toLowerCase();
  return fileContainers.find((c) => c === extension);
}

/** Links that are a file each: it has a temporary name until it is whole. */
export function fileLinks(o: FileLinkOptions): OpenLink {
  return (format, events) => new FileLink(o, format, events);
}

class FileLink implements PushLink {
  readonly #o: FileLinkOptions;
  readonly #events: PushLinkEvents;
  readonly #format: ProgramFormat;
  readonly #muxer: FileMuxer;
  #waiting: FilePatch[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #lengthMs = 0;
  #full = false;
  #ending = false;
  #aborted = false;
  #wake: (() => void) | undefined;

  constructor(o: FileLinkOptions, format: ProgramFormat, events: PushLinkEvents) {
    this.#o = o;
    this.#events = events;
    this.#format = format;
    this.#muxer = fileMuxer(containerOf(o.path) ?? "mkv", format, o.rendition);
    this.#queue(this.#muxer.header());
    void this.#run();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get idle(): boolean {
    return this.#waitingBytes === 0;
  }

  send(s: PushSample): boolean {
    this.#queue(this.#muxer.add(s));
    this.#lengthMs = s.timeMs;
    this.#full = this.#waitingBytes > MAX_WAITING;
    return !this.#full;
  }

  takes(format: ProgramFormat): boolean {
    return format === this.#format;
  }

  end(): void {
    if (this.#ending) return;
    this.#queue(this.#muxer.finish());
    this.#ending = true;
    this.#wake?.();
  }

  abort(): void {
    this.#aborted = true;
    this.#wake?.();
  }

  #queue(patches: readonly FilePatch[]): void {
    if (this.#aborted || this.#ending) return;
    for (const p of patches) this.#waitingBytes += p.bytes.length;
    this.#waiting.push(...patches);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let file: FoundName | undefined;
    try {
      file = await begin(this.#o.path);
      if (file.path !== this.#o.path)
        this.#o.onNotice?.("info", `${this.#o.path} is there already: the stream goes into ${file.path}`);
      this.#events.onOpen();
      await this.#write(file.handle);
      await file.handle.sync();
      await file.handle.close();
      await rename(file.path + TEMP_SUFFIX, file.path);
      this.#events.onClosed();
    } catch (error) {
      this.#waiting = [];
      // Said by itself: whoever gave the file up no longer listens to what its end was.
      if (file && (await this.#salvage(file)))
        this.#o.onNotice?.("warn", `${file.path}${TEMP_SUFFIX} is not complete, and has what came before`);
      this.#events.onClosed({ text: reasonOf(error) });
    }
  }

  /** True: what was written is worth keeping, and stays under its temporary name. */
  async #salvage(file: FoundName): Promise<boolean> {
    try {
      await file.handle.close();
      if (this.#lengthMs >= MIN_KEPT_MS) return true;
      await rm(file.path + TEMP_SUFFIX, { force: true });
    } catch {
      // Why it could not be written is the better news.
    }
    return false;
  }

  async #write(handle: FileHandle): Promise<void> {
    while (!this.#aborted) {
      const patches = this.#waiting;
      this.#waiting = [];
      for (const p of patches) {
        await writeAll(handle, p);
        this.#waitingBytes -= p.bytes.length;
        this.#bytes += p.bytes.length;
      }
      if (patches.length > 0) this.#events.onMoved();
      if (this.#full && this.#waitingBytes <= MAX_WAITING / 2) {
        this.#full = false;
        this.#events.onRoom();
      }
      if (this.#waiting.length > 0) continue;
      if (this.#ending) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    throw new Error("it was given up");
  }
}

/** A write may take less than all, as it does when the disk is nearly full. */
async function writeAll(handle: FileHandle, p: FilePatch): Promise<void> {
  for (let done = 0; done < p.bytes.length; ) {
    const { bytesWritten } = await handle.write(p.bytes, done, p.bytes.length - done, p.at + done);
    done += bytesWritten;
  }
}

type FoundName = { readonly path: string; readonly handle: FileHandle };

/** Creates the file with the first number that is free. */
async function begin(wanted: string): Promise<FoundName> {
  const { bavail, bsize } = statfsSync(dirname(wanted));
  if (bavail * bsize < MIN_FREE) throw new Error("the disk is full");
  const extension = extname(wanted);
  const stem = wanted.slice(0, wanted.length - extension.length);
  for (let n = 1; n <= MAX_NUMBER; n++) {
    const path = n === 1 ? wanted : `${stem}-${n}${extension}`;
    if (existsSync(path)) continue;
    try {
      return { path, handle: await open(path + TEMP_SUFFIX, "wx") };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  }
  throw new Error("all names are taken");
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function reasonOf(error: unknown): string {
  if (codeOf(error) === "ENOSPC") return "the disk is full";
  return error instanceof Error ? error.message : String(error);
}
