import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import { ffmpegCapabilities } from "../../ffmpeg/capabilities.ts";
import type { CommandSpec } from "../../ffmpeg/command.ts";
import { runFfmpeg } from "../../ffmpeg/run.ts";
import type { ProgramFormat, Rendition } from "../program/program.ts";
import type { OpenLink, PushLink, PushLinkEvents, PushSample } from "./link.ts";
import { matroskaFor, matroskaOctets } from "./matroska.ts";

/** Octets that may wait for ffmpeg; more wait where they can be dropped. */
const MAX_WAITING = 256 << 10;
/** What was sent is out when it is behind by no more than this: it waits for sound and pictures in turn. */
const CLOSE_MS = 1500;
/** From asking ffmpeg to end, to killing it. */
const KILL_MS = 1000;
/** The name of the first inherited file. */
const INHERITED = "/dev/fd/4";

/** Characters of what ffmpeg complains of. */
const MAX_WORDS = 200;
/** How it says that a server wants other credentials. */
const NO_ENTRY = /\b40[13]\b/;

/** What a link through ffmpeg needs. */
export type FfmpegLinkOptions = {
  readonly ffmpeg: string;
  /** The command; `secrets` is the name of a file with the options below, when this ffmpeg can take them from one. */
  readonly command: (secrets: string | undefined) => CommandSpec;
  /** Options that nobody is to see on a command line: `name=value`, a line each. */
  readonly secretOptions?: string;
  readonly rendition: Rendition;
  /** Takes secrets out of what ffmpeg says. */
  readonly redact: (text: string) => string;
};

/** Links that are an ffmpeg each, fed with Matroska. */
export function ffmpegLinks(o: FfmpegLinkOptions): OpenLink {
  return (format, events) => new FfmpegLink(o, format, events);
}

class FfmpegLink implements PushLink {
  readonly #events: PushLinkEvents;
  readonly #writer: MatroskaWriter;
  readonly #format: ProgramFormat;
  readonly #stop = new AbortController();
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #bytes = 0;
  #full = false;
  #ending = false;
  #sentMs = 0;
  #outMs = -1;
  #complaint: string | undefined;
  #wake: (() => void) | undefined;

  constructor(o: FfmpegLinkOptions, format: ProgramFormat, events: PushLinkEvents) {
    this.#events = events;
    this.#format = format;
    this.#writer = matroskaFor(format, o.rendition);
    this.#waiting.push(this.#writer.header().bytes);
    void this.#run(o);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#sentMs - this.#outMs < CLOSE_MS;
  }

  send(s: PushSample): boolean {
    const octets = matroskaOctets(this.#writer, s);
    for (const part of octets) this.#waitingBytes += part.length;
    this.#waiting.push(...octets);
    this.#sentMs = Math.max(this.#sentMs, s.timeMs);
    this.#wake?.();
    this.#full = this.#waitingBytes > MAX_WAITING;
    return !this.#full;
  }

  takes(format: ProgramFormat): boolean {
    return format === this.#format;
  }

  end(): void {
    this.#ending = true;
    this.#wake?.();
  }

  abort(): void {
    this.#stop.abort();
  }

  async #run(o: FfmpegLinkOptions): Promise<void> {
    let file: number | undefined;
    try {
      const { presetFiles } = await ffmpegCapabilities(o.ffmpeg);
      if (o.secretOptions !== undefined && presetFiles) file = hidden(o.secretOptions);
      // It connects when it knows what it is to carry, so that it is fed from the beginning.
      this.#events.onOpen();
      await runFfmpeg({
        ffmpeg: o.ffmpeg,
        command: o.command(file === undefined ? undefined : INHERITED),
        input: this.#input(),
        signal: this.#stop.signal,
        patience: { eofMs: 0, interruptMs: KILL_MS },
        redact: o.redact,
        onLog: (line) => this.#onLog(line),
        onProgress: (us) => this.#onProgress(us / 1000),
        ...(file === undefined ? {} : { files: [file] }),
      });
      this.#events.onClosed(this.#ending ? undefined : { text: "ffmpeg ended by itself" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const text = this.#complaint === undefined ? o.redact(message) : `ffmpeg: ${this.#complaint}`;
      this.#events.onClosed({ text, final: NO_ENTRY.test(text) });
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  #onProgress(outMs: number): void {
    if (outMs <= this.#outMs) return;
    this.#outMs = outMs;
    this.#complaint = undefined;
    this.#events.onMoved();
  }

  /** The first complaint says why, the last ones what came of it. */
  #onLog(line: string): void {
    if (!/\[(?:error|fatal)\]/.test(line)) return;
    const words = line.replace(/^(\[[^\]]*\] ?)+/, "").trim();
    if (words !== "") this.#complaint ??= words.slice(0, MAX_WORDS);
  }

  async *#input(): AsyncIterable<Uint8Array> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        this.#waitingBytes -= next.length;
        this.#bytes += next.length;
        yield next;
        if (this.#full && this.#waitingBytes <= MAX_WAITING / 2) {
          this.#full = false;
          this.#events.onRoom();
        }
      } else if (this.#ending) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** An open file with this text that has no name any more: it is gone when the last one that reads it is. */
function hidden(text: string): number {
  const folder = mkdtempSync(join(tmpdir(), "roomtap-"));
  try {
    const path = join(folder, "options");
    writeFileSync(path, text, { mode: 0o600 });
    return openSync(path, "r");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
