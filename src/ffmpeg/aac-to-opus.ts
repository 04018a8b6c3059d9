import { concat } from "../core/bytes.ts";
import { type AacConfig, parseAudioSpecificConfig } from "../core/codecs/aac.ts";
import { opusPacketDuration } from "../core/codecs/opus-packet.ts";
import { adtsHeader, MAX_ADTS_DATA } from "../core/containers/mpegts/adts.ts";
import { OggOpusReader } from "../core/containers/ogg/opus-reader.ts";
import { RoomtapError } from "../core/fault.ts";
import type { CommandSpec } from "./command.ts";
import { asError } from "./decode-pictures.ts";
import { runFfmpeg } from "./run.ts";

/** Frames that wait to be read: more than a second of them, and it stands still. */
const MAX_WAITING = 64;
/** AAC object types that an ADTS header can say. */
const MAX_CORE_TYPE = 4;

/** What to turn into what. */
export type AacToOpusOptions = {
  readonly ffmpeg: string;
  /** AudioSpecificConfig. */
  readonly config: Uint8Array;
  /** Of the Opus, bit/s. */
  readonly bitrate: number;
  /** A packet of 20 ms, and its time on the clock of what went in. */
  readonly onPacket: (data: Uint8Array, timeMs: number) => void;
  /** Called once, when it ended other than by `close`. */
  readonly onFailure: (error: RoomtapError) => void;
};

/**
 * Turns running AAC into Opus, in a process of its own; about 60 ms pass between the two. ADTS has no times: sound must
 * come without holes, and what comes after one needs another process.
 */
export class AacToOpus {
  readonly #o: AacToOpusOptions;
  readonly #aac: AacConfig | undefined;
  readonly #waiting: Uint8Array[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #zeroMs: number | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Starts; whoever does it closes it. */
  constructor(o: AacToOpusOptions) {
    this.#o = o;
    this.#aac = parseAudioSpecificConfig(o.config);
    this.#done = this.#run();
  }

  /** The next raw frame. */
  push(frame: Uint8Array, timeMs: number): void {
    const aac = this.#aac;
    if (!aac || this.#stop.signal.aborted || frame.length > MAX_ADTS_DATA) return;
    this.#zeroMs ??= timeMs;
    this.#waiting.push(concat([adtsHeader(aac, frame.length), frame]));
    if (this.#waiting.length > MAX_WAITING) this.#stop.abort();
    this.#wake?.();
  }

  /** Ends the process; nothing comes any more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    this.#wake?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { ffmpeg, bitrate, onPacket, onFailure } = this.#o;
    const ogg = new OggOpusReader(opusPacketDuration);
    try {
      if (!this.#aac || this.#aac.coreType > MAX_CORE_TYPE)
        throw new RoomtapError("ffmpeg-failed", "this kind of AAC cannot be made into Opus");
      await runFfmpeg({
        ffmpeg,
        command: aacToOpusCommand(bitrate),
        input: this.#input(),
        signal: this.#stop.signal,
        patience: { eofMs: 0, interruptMs: 500 },
        onOutput: (bytes) => {
          for (const e of ogg.push(bytes))
            if (e.t === "packet" && !this.#closed) onPacket(e.data, (this.#zeroMs ?? 0) + e.at / 48);
        },
      });
      throw new RoomtapError("ffmpeg-failed", "ffmpeg ended by itself");
    } catch (error) {
      if (this.#closed) return;
      const stands = this.#stop.signal.aborted;
      onFailure(stands ? new RoomtapError("ffmpeg-failed", "ffmpeg stood still") : asError(error));
    }
  }

  async *#input(): AsyncIterable<Uint8Array> {
    while (!this.#stop.signal.aborted) {
      const next = this.#waiting.shift();
      if (next) yield next;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** The command: ADTS comes in, Opus in Ogg goes out, a page for each packet. */
export function aacToOpusCommand(bitrate: number): CommandSpec {
  return {
    inputs: [{ source: "stdin", options: ["-probesize", "32", "-analyzeduration", "0", "-f", "aac"] }],
    options: [
      ...["-map", "0:a:0", "-ac", "2", "-ar", "48000", "-c:a", "libopus"],
      ...["-b:a", `${Math.round(bitrate / 1000)}k`, "-frame_duration", "20"],
      ...["-page_duration", "20000", "-flush_packets", "1", "-f", "ogg"],
    ],
    output: "stdout",
  };
}
