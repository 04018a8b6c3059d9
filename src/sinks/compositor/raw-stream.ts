import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import { MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";

const PICTURES = 1;
const SAMPLES = 2;

/**
 * Pictures and sound as they are, in one stream: ffmpeg reads both from its standard input, with their times. Matroska
 * knows raw pictures by the name that Windows has for them.
 */
export class RawStream {
  readonly #writer: MatroskaWriter;

  constructor(width: number, height: number, fps: number) {
    const tracks: MatroskaTrack[] = [
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
    this.#writer = new MatroskaWriter("matroska", tracks);
  }

  /** The beginning of the stream. */
  head(): Uint8Array {
    return this.#writer.header().bytes;
  }

  /** A picture; it is copied. */
  picture(timeMs: number, pixels: Uint8Array): Uint8Array[] {
    return this.#block(PICTURES, timeMs, pixels);
  }

  /** Samples. */
  sound(timeMs: number, samples: Uint8Array): Uint8Array[] {
    return this.#block(SAMPLES, timeMs, samples);
  }

  #block(track: number, timeMs: number, data: Uint8Array): Uint8Array[] {
    const { length } = this.#writer;
    // What belongs further ahead, the size of a cluster that is over, is for files only.
    const patches = this.#writer.block(track, Math.round(timeMs), 0, false, data);
    return patches.filter((p) => p.at >= length).map((p) => p.bytes);
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
