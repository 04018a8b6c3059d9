import type { CommandSpec } from "./command.ts";
import { asError } from "./decode-pictures.ts";
import { Intake } from "./intake.ts";
import { runFfmpeg } from "./run.ts";

/** Hz, and channels, of all sound that is decoded. */
export const SOUND = { rate: 48_000, channels: 2 } as const;

/** Chunks of up to 64 KiB (0.3 s) that wait to be taken. */
const AHEAD = 4;
const OCTETS = 2 * SOUND.channels;

/** What to decode. */
export type SoundDecoding = {
  readonly ffmpeg: string;
  /** Absolute: it is not to be taken for an option or a protocol. */
  readonly path: string;
  /** Where to start, milliseconds on the file's timeline. */
  readonly fromMs: number;
  readonly signal: AbortSignal;
};

/**
 * Decodes the sound of a file at the pace of whoever takes it: 16 bits, stereo, without holes: what is missing is
 * silence. Memory: about a second.
 */
export class SoundDecoder {
  readonly #chunks: Intake<Uint8Array> = new Intake(AHEAD);
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  /** What is left of the chunk that was begun. */
  #rest = new Uint8Array(0);

  /** Starts; whoever does it closes it. A failure is the end of the sound. */
  constructor(o: SoundDecoding) {
    this.#done = this.#run(o);
  }

  /** Why there is no more, where it is not that all was decoded. */
  get failure(): Intake<Uint8Array>["failure"] {
    return this.#chunks.failure;
  }

  /** Fills `into` with the next samples, interleaved. Returns how many were filled: fewer only at the end. */
  async read(into: Int16Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      if (this.#rest.length < OCTETS && !(await this.#refill())) break;
      const n = Math.min(into.length - filled, this.#rest.length >> 1);
      for (let i = 0; i < n; i++)
        into[filled + i] = ((this.#rest[2 * i + 1] ?? 0) << 8) | (this.#rest[2 * i] ?? 0);
      this.#rest = this.#rest.subarray(2 * n);
      filled += n;
    }
    return filled;
  }

  /** Ends the process. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#chunks.close();
    await this.#done;
  }

  async #refill(): Promise<boolean> {
    await this.#chunks.ready();
    const chunk = this.#chunks.take();
    if (!chunk) return false;
    // Chunks end anywhere, also in the middle of a sample.
    const joined = new Uint8Array(this.#rest.length + chunk.length);
    joined.set(this.#rest);
    joined.set(chunk, this.#rest.length);
    this.#rest = joined;
    return true;
  }

  async #run(o: SoundDecoding): Promise<void> {
    try {
      await runFfmpeg({
        ffmpeg: o.ffmpeg,
        command: soundCommand(o),
        signal: AbortSignal.any([o.signal, this.#stop.signal]),
        patience: { eofMs: 0, interruptMs: 500 },
        onOutput: (bytes) => this.#chunks.put([bytes]),
      });
      this.#chunks.end();
    } catch (error) {
      this.#chunks.end(asError(error));
    }
  }
}

/** The command of a decoder: samples from `fromMs` on. */
export function soundCommand({ path, fromMs }: Pick<SoundDecoding, "path" | "fromMs">): CommandSpec {
  const first = Math.round((fromMs * SOUND.rate) / 1000);
  const seek = fromMs > 0 ? ["-ss", (fromMs / 1000).toFixed(3)] : [];
  return {
    inputs: [{ source: path, options: ["-threads", "1", "-copyts", ...seek] }],
    // Without `flags=res` the resampler joins in only at the first hole, and puts it in the wrong place.
    audioFilters: [`aresample=${SOUND.rate}:async=1000:first_pts=${first}:flags=res`],
    options: [
      ...["-map", "0:a:0", "-vn", "-sn", "-ac", `${SOUND.channels}`, "-ar", `${SOUND.rate}`],
      ...["-c:a", "pcm_s16le", "-f", "s16le"],
    ],
    output: "stdout",
  };
}
