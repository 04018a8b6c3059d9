import { FlvReader } from "../core/containers/flv/reader.ts";
import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { asError } from "./decode-pictures.ts";
import { runFfmpeg } from "./run.ts";

/** One size that is encoded. */
export type LiveRendition = {
  /** Pixels, even. */
  readonly width: number;
  readonly height: number;
  /** Bits per second of the pictures. */
  readonly videoBitrate: number;
};

/** What is encoded, and how. */
export type LiveEncoding = {
  /** The size of what comes in. */
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** The best first. */
  readonly renditions: readonly LiveRendition[];
  /** Bits per second of the sound. */
  readonly audioBitrate: number;
  /** From one keyframe to the next. */
  readonly keyframeMs: number;
};

/** How an encoder is run. */
export type LiveEncoderOptions = LiveEncoding & {
  readonly ffmpeg: string;
  /** The codecs' configuration of a rendition, as it comes. AVCDecoderConfigurationRecord; AudioSpecificConfig. */
  readonly onConfig: (rendition: number, kind: "video" | "audio", config: Uint8Array) => void;
  /** What was encoded; `timeMs` counts from the beginning of the stream, rounded. */
  readonly onSample: (rendition: number, s: EncodedSample) => void;
  /** Called once, when it ended other than by `end`. */
  readonly onFailure: (error: RoomtapError) => void;
};

/** A coded picture, or a frame of AAC. */
export type EncodedSample = {
  readonly kind: "video" | "audio";
  readonly data: Uint8Array;
  readonly timeMs: number;
  readonly keyframe: boolean;
};

/** Pictures that wait to be read; more are a sign that it cannot keep up. */
const MAX_PICTURES = 3;
/** Pieces of anything that wait; more, and it stands still. */
const MAX_WAITING = 600;

/**
 * Encodes H.264 and AAC as they are made: raw pictures and sound go in as one Matroska stream, every rendition comes
 * out as samples. One process, for as long as it lives.
 */
export class LiveEncoder {
  readonly #o: LiveEncoderOptions;
  readonly #waiting: { readonly octets: readonly Uint8Array[]; readonly picture: boolean }[] = [];
  readonly #done: Promise<void>;
  #pid: number | undefined;
  #pictures = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #stop = new AbortController();

  /** Starts; whoever does it calls `end`. */
  constructor(o: LiveEncoderOptions) {
    this.#o = o;
    this.#done = this.#run();
  }

  /** Of the process; undefined before it runs. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** It is behind: pictures should be left out. */
  get full(): boolean {
    return this.#pictures >= MAX_PICTURES;
  }

  /** The next octets of the stream, from its header on. They must not change until they were read. */
  push(octets: readonly Uint8Array[], picture: boolean): void {
    if (this.#ended || this.#stop.signal.aborted) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.abandon();
      return;
    }
    this.#waiting.push({ octets, picture });
    if (picture) this.#pictures++;
    this.#wake?.();
  }

  /** It stands still: ends the process; `onFailure` follows. */
  abandon(): void {
    this.#stop.abort();
  }

  /** Nothing more comes. Resolves when all was encoded, after `patienceMs` at most. Idempotent. */
  async end(patienceMs: number): Promise<void> {
    this.#ended = true;
    this.#wake?.();
    const timer = setTimeout(() => this.#stop.abort(), patienceMs);
    await this.#done;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const o = this.#o;
    try {
      const { encoders, fpsMode } = await ffmpegCapabilities(o.ffmpeg);
      const missing = ["libx264", "aac"].find((e) => !encoders.has(e));
      if (missing !== undefined)
        throw new RoomtapError("ffmpeg-failed", `this ffmpeg has no ${missing}, which streams need`, {
          hint: "name another one with --ffmpeg",
        });
      const [best, ...others] = o.renditions.map((_, i) => this.#reader(i));
      await runFfmpeg({
        ffmpeg: o.ffmpeg,
        command: liveCommand(o, fpsMode),
        input: this.#input(),
        signal: this.#stop.signal,
        patience: { eofMs: 0, interruptMs: 1000 },
        onStart: (pid) => {
          this.#pid = pid;
        },
        onOutput: (bytes) => best?.(bytes),
        onPipes: others,
      });
      if (!this.#ended) throw new RoomtapError("ffmpeg-failed", "the encoder ended by itself");
    } catch (error) {
      if (this.#ended) return;
      const stands = this.#stop.signal.aborted;
      o.onFailure(stands ? new RoomtapError("ffmpeg-failed", "the encoder stood still") : asError(error));
    }
  }

  async *#input(): AsyncIterable<Uint8Array> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        yield* next.octets;
        // Only now: the octets belong to the pipe until it asks for more.
        if (next.picture) this.#pictures--;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #reader(rendition: number): (bytes: Uint8Array) => void {
    const flv = new FlvReader();
    return (bytes) => {
      for (const e of flv.push(bytes)) {
        if (e.t === "config") this.#o.onConfig(rendition, e.kind, e.data);
        else this.#o.onSample(rendition, e);
      }
    };
  }
}

/** The command of an encoder: the best rendition goes to the standard output, the others to pipes from 4 on. */
export function liveCommand(o: LiveEncoding, fpsMode: boolean): CommandSpec {
  const [best, ...others] = o.renditions;
  const output = (r: LiveRendition | undefined, i: number) => (r ? outputOptions(o, r, i, fpsMode) : []);
  return {
    inputs: [
      {
        source: "stdin",
        // All that is to be known of it stands in its header.
        options: ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-f", "matroska"],
      },
    ],
    options: [...others.flatMap((r, i) => [...output(r, i + 1), `pipe:${4 + i}`]), ...output(best, 0)],
    output: "stdout",
  };
}

function outputOptions(o: LiveEncoding, r: LiveRendition, index: number, fpsMode: boolean): string[] {
  const scaled = r.width !== o.width || r.height !== o.height;
  const kbit = (bits: number) => `${Math.round(bits / 1000)}k`;
  return [
    ...["-map", "0:v:0"],
    ...(scaled ? ["-vf", `scale=${r.width}:${r.height}:flags=bilinear,setsar=1`] : []),
    ...["-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "main"],
    ...[
      "-pix_fmt",
      "yuv420p",
      "-bf",
      "0",
      "-sc_threshold",
      "0",
      fpsMode ? "-fps_mode" : "-vsync",
      "passthrough",
    ],
    ...[
      "-b:v",
      kbit(r.videoBitrate),
      "-maxrate",
      kbit(1.2 * r.videoBitrate),
      "-bufsize",
      kbit(r.videoBitrate),
    ],
    ...["-g", `${Math.ceil((2 * o.keyframeMs * o.framesPerSecond) / 1000)}`],
    ...["-force_key_frames", keyframes(o.keyframeMs)],
    ...[
      "-colorspace",
      "smpte170m",
      "-color_primaries",
      "smpte170m",
      "-color_trc",
      "smpte170m",
      "-color_range",
      "tv",
    ],
    // All renditions carry the same sound: one is encoded and read.
    ...(index === 0
      ? ["-map", "0:a:0", "-c:a", "aac", "-b:a", kbit(o.audioBitrate), "-ar", "48000", "-ac", "2"]
      : []),
    ...["-flush_packets", "1", "-flvflags", "no_duration_filesize", "-f", "flv"],
  ];
}

/** Forces keyframes at a distance, also behind a hole: those that would have been in it are not made up for. */
function keyframes(distanceMs: number): string {
  // Times come in milliseconds: the last of a second may be a little early.
  const due = `prev_forced_t+${(distanceMs - 5) / 1000}`;
  return `expr:if(isnan(prev_forced_t),1,gte(t,${due}))`;
}
