import { type FileHandle, open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { MatroskaReader } from "../../core/containers/matroska/reader.ts";
import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import { oggCrc } from "../../core/containers/ogg/crc.ts";
import { opusTags, readOpusHead } from "../../core/containers/ogg/opus-headers.ts";
import { RoomtapError } from "../../core/fault.ts";
import { BlockWriter } from "./block-writer.ts";
import type { FileTrack } from "./journal.ts";
import { OggSound } from "./ogg-sound.ts";

const CHUNK = 256 * 1024;
/** Octets that may wait for the disk. */
const MAX_UNWRITTEN = 1024 * 1024;
/** A block longer than this is no packet of sound. */
const MAX_PACKET = 256 * 1024;
/** No recording is longer: what claims to be would be silence without an end. */
const MAX_MS = 100 * 86_400_000;
/** Streams of one file may be this far apart in it, milliseconds. */
const INTERLEAVE_MS = 1000;

/** What to make an Ogg file of. */
export type OggConversion = {
  /** A finished Matroska of ours whose sound is all Opus. */
  readonly input: string;
  /** It must not exist. */
  readonly output: string;
  /** Comments in the file, like `TITLE`. */
  readonly tags: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Share of the input read, 0..1. */
  readonly onProgress: (share: number) => void;
};

/** What an Ogg file holds. */
export type OggMade = {
  /** As a player tells it, milliseconds. */
  readonly durationMs: number;
  readonly bytes: number;
  readonly tracks: readonly FileTrack[];
};

/**
 * Makes an Ogg Opus file of the sound of a recording. Packets are taken as they are; the file begins when the
 * recording did, and a hole is silence, because Ogg has no times but the count of its samples. Rejects with a
 * RoomtapError (media-invalid, disk-full, output-unwritable), with the error of the file system for the input, or
 * with the signal's reason when it is aborted. The caller removes what is left.
 */
export async function convertToOgg(o: OggConversion): Promise<OggMade> {
  const input = await open(o.input, "r");
  try {
    const output = new OggOutput(o);
    try {
      await readSound(input, o, output);
      return await output.finish();
    } finally {
      await output.close();
    }
  } finally {
    await input.close();
  }
}

async function readSound(input: FileHandle, o: OggConversion, output: OggOutput): Promise<void> {
  const { size } = await input.stat();
  const reader = new MatroskaReader();
  const chunk = new Uint8Array(CHUNK);
  let at = 0;
  let read = 0;
  const take = async (events: ReturnType<MatroskaReader["push"]>) => {
    for (const e of events) {
      if (e.t === "tracks") output.tracks(e.tracks);
      if (e.t !== "block" || e.size > MAX_PACKET || !output.wants(e.track)) continue;
      const from = e.offset - at;
      const inside = from >= 0 && from + e.size <= read;
      const data = inside ? chunk.slice(from, from + e.size) : await bytesAt(input, e.offset, e.size);
      await output.packet(e.track, e.timeMs, data);
    }
  };
  while (at < size && !reader.failed) {
    ({ bytesRead: read } = await input.read(chunk, 0, CHUNK, at));
    if (read === 0) break;
    await take(reader.push(chunk.subarray(0, read)));
    at += read;
    o.onProgress(Math.min(1, at / size));
    o.signal.throwIfAborted();
    await setImmediate();
  }
  await take(reader.end());
  // Whoever asked would take a part for the whole.
  if (reader.failed) throw new RoomtapError("media-invalid", `${o.input} cannot be read to its end`);
}

async function bytesAt(input: FileHandle, offset: number, size: number): Promise<Uint8Array> {
  const data = new Uint8Array(size);
  const { bytesRead } = await input.read(data, 0, size, offset);
  return data.subarray(0, bytesRead);
}

type Source = { readonly number: number; readonly headBytes: Uint8Array };

/** The file being made: streams of sound, one for each track. */
class OggOutput {
  readonly #o: OggConversion;
  readonly #disk: BlockWriter;
  #failure: RoomtapError | undefined;
  #length = 0;
  #unwritten = 0;
  #sources: Source[] = [];
  /** By track number; empty until the first packet. */
  readonly #sounds = new Map<number, OggSound>();

  constructor(o: OggConversion) {
    this.#o = o;
    this.#disk = new BlockWriter(o.output, (error) => {
      this.#failure = error;
    });
  }

  /** The tracks of the recording, which are told before any block. */
  tracks(tracks: readonly MatroskaTrack[]): void {
    if (this.#sounds.size > 0) return;
    this.#sources = tracks
      .filter((t) => t.kind === "audio")
      .map(({ number, codecId, codecPrivate }) => {
        if (codecId === "A_OPUS" && codecPrivate && readOpusHead(codecPrivate))
          return { number, headBytes: codecPrivate };
        throw new RoomtapError("media-invalid", `track ${number} of ${this.#o.input} is no Opus`);
      });
  }

  wants(track: number): boolean {
    return this.#sources.some((s) => s.number === track);
  }

  async packet(track: number, timeMs: number, data: Uint8Array): Promise<void> {
    if (timeMs > MAX_MS) throw new RoomtapError("media-invalid", `${this.#o.input} holds impossible times`);
    if (this.#sounds.size === 0) await this.#begin(track, timeMs);
    for (const [number, sound] of this.#sounds) {
      if (number === track) await sound.packet(timeMs, data);
      else await sound.reach(timeMs - INTERLEAVE_MS);
    }
  }

  async finish(): Promise<OggMade> {
    const sounds = [...this.#sounds.values()];
    if (sounds.every((s) => s.track.frames === 0))
      throw new RoomtapError("media-invalid", `there is no Opus in ${this.#o.input}`);
    for (const sound of sounds) await sound.finish();
    await this.close();
    if (this.#failure) throw this.#failure;
    return {
      durationMs: Math.round(Math.max(...sounds.map((s) => s.durationMs))),
      bytes: this.#length,
      tracks: sounds.map((s) => s.track),
    };
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#disk.close();
  }

  async #begin(track: number, timeMs: number): Promise<void> {
    const { tags } = this.#o;
    const serial = serialOf(tags);
    for (const [i, { number, headBytes }] of this.#sources.entries()) {
      const head = readOpusHead(headBytes);
      if (!head) continue;
      const firstMs = number === track ? timeMs : undefined;
      const write = (page: Uint8Array) => this.#write(page);
      const sound = new OggSound({ head, headBytes, serial: (serial + i) >>> 0, tags, firstMs, write });
      this.#sounds.set(number, sound);
    }
    for (const sound of this.#sounds.values()) await sound.first();
    for (const sound of this.#sounds.values()) await sound.tags();
  }

  async #write(page: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#disk.push([{ at: this.#length, bytes: page }]);
    this.#length += page.length;
    this.#unwritten += page.length;
    if (this.#unwritten < MAX_UNWRITTEN) return;
    this.#unwritten = 0;
    await this.#disk.drained();
    this.#o.signal.throwIfAborted();
  }
}

/** A number for the first stream: the same for the same recording, another for others, which may be joined with it. */
function serialOf(tags: Readonly<Record<string, string>>): number {
  return oggCrc(opusTags(tags));
}
