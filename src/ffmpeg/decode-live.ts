import { concat } from "../core/bytes.ts";
import { singleBlockHead } from "../core/containers/matroska/single-block.ts";
import type { MatroskaTrack } from "../core/containers/matroska/track.ts";
import { MatroskaWriter } from "../core/containers/matroska/writer.ts";
import { NutReader } from "../core/containers/nut/reader.ts";
import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { asError, type Framing, framing } from "./decode-pictures.ts";
import { SOUND } from "./decode-sound.ts";
import { runFfmpeg } from "./run.ts";

/** What to decode, and what to make of it. */
export type LiveDecoding = {
  readonly ffmpeg: string;
  /** Number 1. */
  readonly track: MatroskaTrack;
  /** The frame that pictures are put into; absent: it is sound. */
  readonly picture?: Framing;
  /** Makes the arrays that output is given out in. */
  readonly room?: (size: number) => Uint8Array;
  /** A picture (YUV 4:2:0, planar) or a piece of sound (16 bits, stereo, 48 kHz); times are those of the input. */
  readonly onOutput: (timeMs: number, data: Uint8Array) => void;
  /** Called once, when the process ended: without a failure, because it was told to. */
  readonly onEnd: (failure: RoomtapError | undefined) => void;
};

/** Octets that wait to be read: more, and it does not keep up. */
const MAX_WAITING = 4 * 1024 * 1024;
const MAX_WAITING_FRAMES = 240;

/**
 * Decodes a running stream, frame by frame, in a process of its own. What comes out has the times of what went in, so
 * that nothing is out of place when a decoder leaves broken frames out.
 */
export class LiveDecoder {
  readonly #o: LiveDecoding;
  readonly #waiting: Uint8Array[] = [];
  readonly #stop = new AbortController();
  #octets = 0;
  #over = false;
  #wake: (() => void) | undefined;
  readonly #done: Promise<void>;
  #pid: number | undefined;
  /** Time that the process calls 0. */
  #zeroMs: number | undefined;
  #lastMs = -1;

  /** Starts; whoever does it calls `close` or `finish`. */
  constructor(o: LiveDecoding) {
    this.#o = o;
    this.#put(new MatroskaWriter("matroska", [o.track]).header().bytes);
    this.#done = this.#run();
  }

  /** Of the process; undefined before it runs. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** The next frame, in the container's form. False: it does not keep up, and the frame was not taken. */
  push(timeMs: number, keyframe: boolean, data: Uint8Array): boolean {
    if (this.#over || this.#octets > MAX_WAITING || this.#waiting.length > MAX_WAITING_FRAMES) return false;
    this.#zeroMs ??= timeMs;
    // Times only grow: what runs backwards would be left out.
    const ms = Math.max(this.#lastMs + 1, Math.round(timeMs - this.#zeroMs));
    this.#lastMs = ms;
    this.#put(concat([singleBlockHead(1, ms, keyframe, data.length), data]));
    return true;
  }

  /** Nothing more goes in; what is decoded still comes. */
  finish(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** Ends the process; nothing comes any more. Idempotent. */
  async close(): Promise<void> {
    this.#over = true;
    this.#waiting.length = 0;
    this.#stop.abort();
    this.#wake?.();
    await this.#done;
  }

  #put(piece: Uint8Array): void {
    this.#waiting.push(piece);
    this.#octets += piece.length;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const o = this.#o;
    const nut = new NutReader(o.room);
    let failure: RoomtapError | undefined;
    try {
      const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
      await runFfmpeg({
        ffmpeg: o.ffmpeg,
        command: liveDecodingCommand(o.picture, fpsMode),
        input: this.#input(),
        signal: this.#stop.signal,
        patience: { eofMs: 0, interruptMs: 500 },
        onStart: (pid) => {
          this.#pid = pid;
        },
        onOutput: (bytes) => {
          const out = nut.push(bytes);
          if (nut.failed) this.#stop.abort();
          if (!this.#stop.signal.aborted)
            for (const f of out) o.onOutput(f.timeMs + (this.#zeroMs ?? 0), f.data);
        },
      });
      if (!this.#over) failure = new RoomtapError("ffmpeg-failed", "a decoder ended by itself");
    } catch (error) {
      if (!this.#over) failure = asError(error);
    }
    this.#over = true;
    this.#pid = undefined;
    o.onEnd(failure);
  }

  async *#input(): AsyncIterable<Uint8Array> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        this.#octets -= next.length;
        yield next;
      } else if (this.#over) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** The command of a live decoder. NUT gives out a picture when it is there; Matroska, when the next one is. */
export function liveDecodingCommand(picture: Framing | undefined, fpsMode: boolean): CommandSpec {
  const raw = picture
    ? [
        ...["-map", "0:v:0", "-an", "-sn", fpsMode ? "-fps_mode" : "-vsync", "passthrough"],
        // Several threads would keep a picture back each, even of those that encode nothing.
        ...["-enc_time_base:v", "1:1000", "-c:v", "rawvideo", "-threads", "1"],
      ]
    : [
        ...["-map", "0:a:0", "-vn", "-sn", "-ac", `${SOUND.channels}`, "-ar", `${SOUND.rate}`],
        ...["-c:a", "pcm_s16le"],
      ];
  return {
    inputs: [
      {
        source: "stdin",
        options: [
          // All that is to be known of it stands in its header.
          ...["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0"],
          ...["-noautorotate", "-threads", "1", "-flags", "low_delay", "-copyts", "-f", "matroska"],
        ],
      },
    ],
    ...(picture ? { videoFilters: framing(picture) } : {}),
    options: [
      ...raw,
      // Points to seek to, and an index of them, would grow with the hours.
      ...["-syncpoints", "none", "-strict", "experimental", "-write_index", "0"],
      ...["-flush_packets", "1", "-f", "nut"],
    ],
    output: "stdout",
  };
}
