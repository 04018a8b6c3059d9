import { concat } from "../../core/bytes.ts";
import { singleBlockHead } from "../../core/containers/matroska/single-block.ts";
import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";

const PICTURES = 1;
const SAMPLES = 2;
/** Pictures on their way: a stream reads one ahead, the pipe behind it holds one, and one is being made. */
const ON_THE_WAY = 6;

/**
 * Pictures and sound as they are, in one stream: ffmpeg reads both from its standard input, with their times. Matroska
 * knows raw pictures by the name that Windows has for them.
 */
export class RawStream {
  readonly #tracks: readonly MatroskaTrack[];
  /** Used in turn: memory by the megabyte, made anew for every picture, takes longer to find than to fill. */
  readonly #buffers: Uint8Array[];
  #next = 0;

  constructor(width: number, height: number, fps: number) {
    this.#buffers = Array.from({ length: ON_THE_WAY }, () => new Uint8Array((width * height * 3) / 2));
    this.#tracks = [
      {
        number: PICTURES,
        kind: "video",
        codecId: "V_MS/VFW/FOURCC",
        codecPrivate: bitmapHeader(width, height),
        width,
        height,
        defaultDurationNs: Math.round(1e9 / fps),
      },
      {
        number: SAMPLES,
        kind: "audio",
        codecId: "A_PCM/INT/LIT",
        sampleRate: SOUND.rate,
        channels: SOUND.channels,
        bitDepth: 16,
      },
    ];
  }

  /** The beginning of the stream. */
  head(): Uint8Array {
    return new MatroskaWriter("matroska", this.#tracks).header().bytes;
  }

  /** A picture and what is heard with it. Both are copied, and what is returned is to be written soon. */
  frame(timeMs: number, pixels: Uint8Array, samples: Uint8Array): Uint8Array[] {
    return [...this.picture(timeMs, pixels), this.sound(timeMs, samples)];
  }

  /** A picture. It is copied, and what is returned is to be written before `ON_THE_WAY` more are made. */
  picture(timeMs: number, pixels: Uint8Array): Uint8Array[] {
    const copy = this.#buffers[this.#next];
    this.#next = (this.#next + 1) % this.#buffers.length;
    copy?.set(pixels);
    return [singleBlockHead(PICTURES, timeMs, true, pixels.length), copy ?? pixels];
  }

  /** What is heard from a time on. It is copied. */
  sound(timeMs: number, samples: Uint8Array): Uint8Array {
    return concat([singleBlockHead(SAMPLES, timeMs, true, samples.length), samples]);
  }
}

/** BITMAPINFOHEADER of planar YUV 4:2:0. */
function bitmapHeader(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setInt32(4, width, true);
  view.setInt32(8, height, true);
  view.setUint16(12, 1, true);
  view.setUint16(14, 12, true);
  bytes.set([0x49, 0x34, 0x32, 0x30], 16);
  view.setUint32(20, (width * height * 3) / 2, true);
  return bytes;
}
