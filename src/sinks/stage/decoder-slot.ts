import { Backoff } from "../../core/backoff.ts";
import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import type { LiveDecoding } from "../../ffmpeg/decode-live.ts";

/** A decoder that runs. */
export type Decoder = {
  /** False: it does not keep up. */
  push(timeMs: number, keyframe: boolean, data: Uint8Array): boolean;
  finish(): void;
  close(): Promise<void>;
};

/** Starts a decoder. */
export type StartDecoder = (o: Omit<LiveDecoding, "ffmpeg">) => Decoder;

/** What a decoder is started with. */
export type SlotDecoding = Pick<LiveDecoding, "picture" | "room"> & {
  readonly track: MatroskaTrack;
  readonly onOutput: (timeMs: number, data: Uint8Array, fresh: boolean) => void;
};

/** A decoder that gives nothing for so long, while it is fed, hangs. */
const HANG_MS = 3000;
/** Frames that may be inside of a decoder. */
const INSIDE = 4;
/** Until then it may still be starting. */
const FRESH_MS = 1500;
/** A decoder that lives for so long is well. */
const HEALTHY_MS = 5000;

/** The place of a decoder: one that dies or hangs is replaced, after a while that grows. */
export class DecoderSlot {
  readonly #start: StartDecoder;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  #decoder: Decoder | undefined;
  /** Those that still give out what went in. */
  readonly #ending = new Set<Decoder>();
  #startedAt = 0;
  /** When it last gave something, or was last fed after it had given all. */
  #movedAt = 0;
  #inside = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #restarts = 0;

  constructor(start: StartDecoder, now: () => number) {
    this.#start = start;
    this.#now = now;
    this.#backoff = new Backoff({ baseMs: 250, capMs: 8000, random: Math.random });
  }

  /** There is one. */
  get running(): boolean {
    return this.#decoder !== undefined;
  }

  /** How often one died or hung. */
  get restarts(): number {
    return this.#restarts;
  }

  /** One may be started now. */
  get free(): boolean {
    return this.#now() >= this.#retryAt;
  }

  /** Starts a decoder in the place of the one that runs, which gives out what it has. */
  start(o: SlotDecoding): void {
    const old = this.#decoder;
    if (old) {
      this.#ending.add(old);
      old.finish();
    }
    this.#startedAt = this.#now();
    this.#movedAt = this.#startedAt;
    this.#inside = 0;
    const startedAt = this.#startedAt;
    const decoder: Decoder = this.#start({
      track: o.track,
      ...(o.picture ? { picture: o.picture } : {}),
      ...(o.room ? { room: o.room } : {}),
      onOutput: (timeMs, data) => {
        const now = this.#now();
        if (this.#decoder === decoder) this.#moved(now);
        else if (!this.#ending.has(decoder)) return;
        o.onOutput(timeMs, data, now - startedAt < FRESH_MS);
      },
      onEnd: (failure) => {
        this.#ending.delete(decoder);
        if (this.#decoder !== decoder) return;
        this.#decoder = undefined;
        if (failure) this.#failed();
      },
    });
    this.#decoder = decoder;
  }

  /** False: the frame was not taken. */
  push(timeMs: number, keyframe: boolean, data: Uint8Array): boolean {
    if (!this.#decoder?.push(timeMs, keyframe, data)) return false;
    if (this.#inside === 0) this.#movedAt = this.#now();
    this.#inside++;
    return true;
  }

  /** Ends a decoder that hangs. */
  check(now: number): void {
    if (!this.#decoder || this.#inside <= INSIDE || now - this.#movedAt < HANG_MS) return;
    this.#drop();
    this.#failed();
  }

  /** Ends the decoder that runs. */
  stop(): void {
    this.#drop();
  }

  /** Ends all. */
  async close(): Promise<void> {
    const all = [...this.#ending, ...(this.#decoder ? [this.#decoder] : [])];
    this.#decoder = undefined;
    this.#ending.clear();
    await Promise.all(all.map((d) => d.close()));
  }

  #drop(): void {
    void this.#decoder?.close();
    for (const d of this.#ending) void d.close();
    this.#ending.clear();
    this.#decoder = undefined;
  }

  #moved(now: number): void {
    this.#movedAt = now;
    this.#inside = Math.max(0, this.#inside - 1);
    if (now - this.#startedAt > HEALTHY_MS) this.#backoff.reset();
  }

  #failed(): void {
    this.#restarts++;
    this.#retryAt = this.#now() + this.#backoff.next();
  }
}
