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
/** Frames that it may keep back, or find broken. */
const MOST_UNANSWERED = 4;
/** What it has, it gives out in this time. */
const ENDING_MS = 3000;
/** So long after its first picture it may still be behind, for it had to be started. */
const FRESH_MS = 1000;
/** A decoder that lives for so long is well. */
const HEALTHY_MS = 5000;

/** The place of a decoder: one that dies or hangs is replaced, after a while that grows. */
export class DecoderSlot {
  readonly #start: StartDecoder;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  #decoder: Decoder | undefined;
  /** Those that still give out what went in. */
  readonly #ending = new Map<Decoder, number>();
  #startedAt = 0;
  /** Those whose processes end. */
  readonly #closing = new Set<Promise<void>>();
  /** When it last gave something, or was first fed after that. */
  #movedAt = 0;
  /** Frames that it was fed since. */
  #unanswered = 0;
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
    const startedAt = this.#now();
    let firstAt: number | undefined;
    const old = this.#decoder;
    if (old) {
      this.#ending.set(old, startedAt);
      old.finish();
    }
    this.#startedAt = startedAt;
    this.#unanswered = 0;
    const decoder: Decoder = this.#start({
      track: o.track,
      ...(o.picture ? { picture: o.picture } : {}),
      ...(o.room ? { room: o.room } : {}),
      onOutput: (timeMs, data) => {
        const now = this.#now();
        if (this.#decoder === decoder) this.#moved(now);
        else if (!this.#ending.has(decoder)) return;
        firstAt ??= now;
        o.onOutput(timeMs, data, now - firstAt < FRESH_MS);
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
    if (this.#unanswered === 0) this.#movedAt = this.#now();
    this.#unanswered++;
    return true;
  }

  /** Ends decoders that hang. */
  check(now: number): void {
    for (const [decoder, since] of this.#ending) if (now - since > ENDING_MS) this.#end(decoder);
    if (!this.#decoder || this.#unanswered <= MOST_UNANSWERED || now - this.#movedAt < HANG_MS) return;
    this.#drop();
    this.#failed();
  }

  /** Ends the decoder that runs. */
  stop(): void {
    this.#drop();
  }

  /** Ends all. */
  async close(): Promise<void> {
    this.#drop();
    await Promise.all(this.#closing);
  }

  #drop(): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    if (decoder) this.#end(decoder);
    for (const d of this.#ending.keys()) this.#end(d);
  }

  #end(decoder: Decoder): void {
    this.#ending.delete(decoder);
    const closing: Promise<void> = decoder.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #moved(now: number): void {
    this.#movedAt = now;
    this.#unanswered = 0;
    if (now - this.#startedAt > HEALTHY_MS) this.#backoff.reset();
  }

  #failed(): void {
    this.#restarts++;
    this.#retryAt = this.#now() + this.#backoff.next();
  }
}
