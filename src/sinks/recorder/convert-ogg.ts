import { open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { OPUS_SILENCE, opusPacketDuration } from "../../core/codecs/opus-packet.ts";
import { MatroskaReader } from "../../core/containers/matroska/reader.ts";
import { OggOpusWriter } from "../../core/containers/ogg/opus-writer.ts";
import { RoomtapError } from "../../core/fault.ts";
import { SilenceFiller } from "../../core/media/silence.ts";
import { micros } from "../../core/time.ts";
import { BlockWriter } from "./block-writer.ts";

const CHUNK = 1024 * 1024;
/** A packet whose length cannot be told. */
const PACKET_US = 20_000;
const SILENCE_US = 20_000;

/** What to make an Ogg of. */
export type OggConversion = {
  /** A complete Matroska of ours with a track of Opus. */
  readonly input: string;
  /** It must not exist. */
  readonly output: string;
  /** Comments in the file, like `TITLE`. */
  readonly tags: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Share of the input read, 0..1. */
  readonly onProgress: (share: number) => void;
};

/**
 * Makes an Ogg Opus file of the sound of a recording. Packets are taken as they are; the file begins when the
 * recording did, and a hole is silence, because Ogg has no times but the count of its samples. Resolves with packets
 * and milliseconds; rejects with a RoomtapError (media-invalid, disk-full, output-unwritable), or with the signal's
 * reason when it is aborted. The caller removes what is left.
 */
export async function convertToOgg(o: OggConversion): Promise<{ frames: number; durationMs: number }> {
  const input = await open(o.input, "r");
  try {
    const { size } = await input.stat();
    let failure: RoomtapError | undefined;
    const disk = new BlockWriter(o.output, (error) => {
      failure = error;
    });
    const sound = new Sound(o, disk);
    try {
      const reader = new MatroskaReader();
      const chunk = new Uint8Array(CHUNK);
      for (let at = 0; at < size; ) {
        o.signal.throwIfAborted();
        if (failure) throw failure;
        const { bytesRead } = await input.read(chunk, 0, CHUNK, at);
        if (bytesRead === 0) break;
        for (const e of reader.push(chunk.slice(0, bytesRead))) {
          if (e.t === "tracks") sound.track(e.tracks.find((t) => t.codecId === "A_OPUS"));
          if (e.t !== "block" || e.track !== sound.number) continue;
          const inside = e.offset >= at && e.offset + e.size <= at + bytesRead;
          const data = new Uint8Array(e.size);
          if (inside) data.set(chunk.subarray(e.offset - at, e.offset - at + e.size));
          else await input.read(data, 0, e.size, e.offset);
          sound.packet(e.timeMs, data);
        }
        at += bytesRead;
        o.onProgress(Math.min(1, at / size));
        await disk.drained();
        await setImmediate();
      }
      const result = sound.finish();
      await disk.close();
      if (failure) throw failure;
      return result;
    } finally {
      await disk.close();
    }
  } finally {
    await input.close();
  }
}

/** The one stream of the file. */
class Sound {
  readonly #o: OggConversion;
  readonly #disk: BlockWriter;
  readonly #filler = new SilenceFiller();
  #writer: OggOpusWriter | undefined;
  #length = 0;
  #frames = 0;
  number: number | undefined;

  constructor(o: OggConversion, disk: BlockWriter) {
    this.#o = o;
    this.#disk = disk;
    this.#filler.start(micros(0));
  }

  track(t: { readonly number: number; readonly codecPrivate?: Uint8Array } | undefined): void {
    if (!t?.codecPrivate || this.#writer) return;
    this.number = t.number;
    // One stream a file: any number identifies it.
    this.#writer = new OggOpusWriter({ head: t.codecPrivate, serial: 1, tags: this.#o.tags });
    this.#write(this.#writer.header());
  }

  packet(timeMs: number, data: Uint8Array): void {
    const duration = opusPacketDuration(data) ?? PACKET_US;
    const time = micros(timeMs * 1000);
    if (!this.#filler.takes(time, duration, data.length)) return;
    for (const _ of this.#filler.before(time, duration)) this.#put(OPUS_SILENCE, SILENCE_US);
    this.#put(data, duration);
  }

  finish(): { frames: number; durationMs: number } {
    const writer = this.#writer;
    if (!writer || this.#frames === 0)
      throw new RoomtapError("media-invalid", `there is no Opus in ${this.#o.input}`);
    this.#write(writer.finish());
    return { frames: this.#frames, durationMs: Math.round(writer.playable / 48) };
  }

  #put(data: Uint8Array, durationUs: number): void {
    const page = this.#writer?.packet(data, durationUs);
    this.#frames++;
    if (page) this.#write(page);
  }

  #write(bytes: Uint8Array): void {
    this.#disk.push([{ at: this.#length, bytes }]);
    this.#length += bytes.length;
  }
}
