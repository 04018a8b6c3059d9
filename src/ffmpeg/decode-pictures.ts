import { RoomtapError } from "../core/fault.ts";
import type { Rotation } from "../core/frame.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { DecodedStream } from "./decoded-stream.ts";
import { Intake } from "./intake.ts";
import { upright } from "./pictures.ts";
import { runFfmpeg } from "./run.ts";

/** Decoded pictures that wait to be taken. */
const AHEAD = 4;
/** Shapes that differ by less are the same: the edge would be a line of a pixel or two. */
const NEARLY = 0.03;

/** A picture of a video. */
export type DecodedPicture = {
  /** Milliseconds on the file's timeline. */
  readonly atMs: number;
  /** YUV 4:2:0, planar, of the size that was asked for. */
  readonly pixels: Uint8Array;
};

/** What to decode, and how large. */
export type PictureDecoding = {
  readonly ffmpeg: string;
  /** Absolute: it is not to be taken for an option or a protocol. */
  readonly path: string;
  /** Even; every picture keeps its shape and stands in the middle. */
  readonly width: number;
  readonly height: number;
  /** What is around a picture of another shape, 0xRRGGBB. */
  readonly margin: number;
  /** Clockwise, to be shown upright. */
  readonly rotation: Rotation;
  /** Where to start, milliseconds: pictures come from the keyframe before on. */
  readonly fromMs: number;
  /** Only these parts are wanted, milliseconds; default: all. */
  readonly spans?: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly signal: AbortSignal;
};

/** Decodes a video at the pace of whoever takes the pictures. Memory: a few pictures, however long the file. */
export class PictureDecoder {
  readonly pictures: Intake<DecodedPicture> = new Intake(AHEAD);
  readonly #stop = new AbortController();
  /** Arrays of pictures that nobody looks at any more: making new ones costs more than decoding. */
  readonly #spare: Uint8Array[] = [];
  readonly #done: Promise<void>;

  /** Starts; whoever does it closes it. A failure is the end of the pictures. */
  constructor(o: PictureDecoding) {
    this.#done = this.#run(o);
  }

  /** A picture that was taken is not needed any more. */
  giveBack({ pixels }: DecodedPicture): void {
    this.#spare.push(pixels);
  }

  /** Ends the process. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.pictures.close();
    await this.#done;
  }

  async #run(o: PictureDecoding): Promise<void> {
    const size = (o.width * o.height * 3) / 2;
    const stream = new DecodedStream((n) => (n === size && this.#spare.pop()) || new Uint8Array(n));
    try {
      const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
      await runFfmpeg({
        ffmpeg: o.ffmpeg,
        command: decodingCommand(o, fpsMode),
        signal: AbortSignal.any([o.signal, this.#stop.signal]),
        patience: { eofMs: 0, interruptMs: 500 },
        onOutput: (bytes) => {
          const whole = stream.push(bytes).filter((b) => b.data.length === size);
          return this.pictures.put(whole.map((b) => ({ atMs: b.timeMs, pixels: b.data })));
        },
      });
      this.pictures.end();
    } catch (error) {
      this.pictures.end(asError(error));
    }
  }
}

/** The command of a decoder: raw pictures with their times, as a stream. */
export function decodingCommand(
  o: Omit<PictureDecoding, "ffmpeg" | "signal">,
  fpsMode: boolean,
): CommandSpec {
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  const wanted = o.spans?.map((s) => `between(t\\,${seconds(s.fromMs)}\\,${seconds(s.toMs)})`);
  return {
    inputs: [
      {
        source: o.path,
        options: [
          ...["-noautorotate", "-threads", "1", "-copyts"],
          ...(o.fromMs > 0 ? ["-noaccurate_seek", "-ss", seconds(o.fromMs)] : []),
        ],
      },
    ],
    videoFilters: [...(wanted ? [`select=${wanted.join("+")}`] : []), ...framing(o)],
    options: [
      ...["-map", "0:v:0", "-an", "-sn", fpsMode ? "-fps_mode" : "-vsync", "passthrough"],
      // Without a time base, times are rounded to the nominal frame rate.
      ...["-enc_time_base:v", "1:1000", "-c:v", "rawvideo", "-f", "matroska"],
    ],
    output: "stdout",
  };
}

/** How pictures stand in a frame of another size. */
export type Framing = Pick<PictureDecoding, "width" | "height" | "margin" | "rotation">;

/** Filters that put pictures of any size upright into the middle of a frame, in their own shape. */
export function framing(o: Framing): string[] {
  const margin = `0x${o.margin.toString(16).padStart(6, "0")}`;
  return [
    ...upright(o.rotation),
    `scale=${fitting(o.width, o.height)}:flags=bilinear:out_color_matrix=bt601:out_range=tv`,
    "setsar=1",
    `pad=${o.width}:${o.height}:(ow-iw)/2:(oh-ih)/2:${margin}`,
    "format=yuv420p",
  ];
}

/** Size of a picture inside a box, in its own shape; one that is nearly the box's own fills it. */
function fitting(width: number, height: number): string {
  const shape = (width / height).toFixed(6);
  const near = `lt(abs(iw/ih/${shape}-1)\\,${NEARLY})`;
  const w = `if(${near}\\,${width}\\,min(${width}\\,max(2\\,2*round(${height}*iw/ih/2))))`;
  const h = `if(${near}\\,${height}\\,min(${height}\\,max(2\\,2*round(${width}*ih/iw/2))))`;
  return `w=${w}:h=${h}`;
}

/** The error of a process that was to decode. */
export function asError(error: unknown): RoomtapError {
  if (error instanceof RoomtapError) return error;
  return new RoomtapError("ffmpeg-failed", error instanceof Error ? error.message : String(error));
}
