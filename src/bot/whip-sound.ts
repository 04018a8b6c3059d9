import type { RoomtapError } from "../core/fault.ts";
import { AacToOpus, type AacToOpusOptions } from "../ffmpeg/aac-to-opus.ts";

/** Sound that does not follow on what came before by this much needs another process. */
const HOLE_MS = 60;
/** A process that failed is followed by another one, no sooner. */
const AGAIN_MS = 5000;
/** Bits per second of the Opus. */
const BITRATE = 96_000;

/** What the sound of a push needs. */
export type WhipSoundOptions = Pick<AacToOpusOptions, "ffmpeg" | "onPacket" | "onFailure">;

/** The sound of a program as WebRTC has it: AAC goes in, Opus comes out, also across holes and failures. */
export class WhipSound {
  readonly #o: WhipSoundOptions;
  #run: AacToOpus | undefined;
  #config: Uint8Array | undefined;
  #nextMs = 0;
  #notBefore = 0;
  #closed = false;

  constructor(o: WhipSoundOptions) {
    this.#o = o;
  }

  /** A raw AAC frame. `config`: AudioSpecificConfig. */
  push(frame: Uint8Array, timeMs: number, durationMs: number, config: Uint8Array): void {
    if (this.#closed) return;
    const follows = config === this.#config && Math.abs(timeMs - this.#nextMs) < HOLE_MS;
    this.#nextMs = timeMs + durationMs;
    if (this.#run && !follows) {
      void this.#run.close();
      this.#run = undefined;
    }
    if (!this.#run && performance.now() < this.#notBefore) return;
    this.#run ??= this.#start(config);
    this.#run.push(frame, timeMs);
  }

  /** Ends the process. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#run?.close();
  }

  #start(config: Uint8Array): AacToOpus {
    this.#config = config;
    const run = new AacToOpus({
      ffmpeg: this.#o.ffmpeg,
      config,
      bitrate: BITRATE,
      onPacket: (data, timeMs) => {
        if (run === this.#run) this.#o.onPacket(data, timeMs);
      },
      onFailure: (error: RoomtapError) => {
        if (run !== this.#run) return;
        this.#run = undefined;
        this.#notBefore = performance.now() + AGAIN_MS;
        if (!this.#closed) this.#o.onFailure(error);
      },
    });
    return run;
  }
}
