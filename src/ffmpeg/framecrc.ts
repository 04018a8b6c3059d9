import type { MediaKind } from "../core/frame.ts";

/** A stream in the output of ffmpeg's framecrc muxer. */
export type CrcStream = {
  readonly kind: MediaKind;
  /** ffmpeg's name of the codec: of the output's, when it was decoded. */
  readonly codec: string;
  /** Milliseconds of one unit of time. */
  readonly unitMs: number;
  readonly width?: number;
  readonly height?: number;
};

/** One packet or decoded frame. Times in milliseconds on the file's timeline. */
export type CrcRow = {
  /** The stream's number in the output. */
  readonly index: number;
  readonly stream: CrcStream;
  /** When it is decoded, and when it is shown. */
  readonly dtsMs: number;
  readonly ptsMs: number;
  /** 0: unknown. */
  readonly durationMs: number;
};

/** Streams beyond this are not looked at: no file of ours has as many. */
const MAX_STREAMS = 64;
const nothing: CrcStream = { kind: "audio", codec: "", unitMs: 1 };

/** Reads what ffmpeg's framecrc muxer writes: a head that describes the streams, then a line for every frame. */
export class FrameCrcReader {
  readonly #streams = new Map<number, CrcStream>();

  /** By their number in the output. */
  get streams(): ReadonlyMap<number, CrcStream> {
    return this.#streams;
  }

  /** The next line; undefined: it is no frame's. */
  push(line: string): CrcRow | undefined {
    const head = /^#(\w+) (\d+): (\S+)/.exec(line);
    if (head) this.#head(head[1] ?? "", Number(head[2]), head[3] ?? "");
    // Stream, decoding time, presentation time, duration, ...
    const row = /^(\d+), *(-?\d+), *(-?\d+), *(\d+),/.exec(line);
    const index = Number(row?.[1]);
    const stream = this.#streams.get(index);
    if (!row || !stream) return undefined;
    const ms = (i: number) => Number(row[i]) * stream.unitMs;
    return { index, stream, dtsMs: ms(2), ptsMs: ms(3), durationMs: ms(4) };
  }

  #head(name: string, index: number, value: string): void {
    if (index >= MAX_STREAMS) return;
    const [a = 0, b = 0] = value.split(/[/x]/).map(Number);
    const known = this.#streams.get(index) ?? nothing;
    const set = (more: Partial<CrcStream>) => void this.#streams.set(index, { ...known, ...more });
    if (name === "media_type") set({ kind: value === "video" ? "video" : "audio" });
    else if (name === "tb" && a > 0 && b > 0) set({ unitMs: (1000 * a) / b });
    else if (name === "codec_id") set({ codec: value });
    else if (name === "dimensions") set({ width: a, height: b });
  }
}
