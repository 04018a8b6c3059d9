import type { MediaKind } from "../core/frame.ts";
import type { CrcRow } from "./framecrc.ts";
import { type ListOptions, listFrames } from "./list-frames.ts";

/** Pictures are decoded in another order than they are shown in, but not by more than this many. */
const MAX_REORDER = 32;
/** Nothing shorter than this, in milliseconds, counts as missing. */
const MIN_HOLE_MS = 100;
/** Holes beyond this are counted and not kept. */
const MAX_HOLES = 10_000;

/** A stretch of a track in which nothing is, milliseconds on the file's timeline. */
export type Hole = { readonly fromMs: number; readonly toMs: number };

/** The packets of one track as they stand in the file. Times in milliseconds on its timeline. */
export type PacketTrack = {
  readonly kind: MediaKind;
  /** ffmpeg's name. */
  readonly codec: string;
  readonly width?: number;
  readonly height?: number;
  readonly packets: number;
  /** From the first packet to the end of the last. */
  readonly startMs: number;
  readonly endMs: number;
  /** Where the last packet starts. */
  readonly lastMs: number;
  /** From one picture to the next, or the length of a packet of sound: the median. */
  readonly typicalMs: number;
  /** Longer than 100 ms each: between two pictures, or from the end of a packet of sound to the next. */
  readonly holes: readonly Hole[];
  /** All of them. */
  readonly holeCount: number;
  /** Packets at the decoding time of the one before. */
  readonly repeated: number;
  /** Packets of sound that start before the middle of the one before. */
  readonly overlaps: number;
};

/** The packets of a file. */
export type PacketCheck = {
  readonly tracks: readonly PacketTrack[];
  /** Packets that are to be decoded before the one before them. */
  readonly backwards: number;
};

/**
 * Reads a file packet by packet, without decoding. Memory does not grow with the file. Rejects with a RoomtapError
 * `incomplete` when it cannot be read at all, or ffmpeg hangs.
 */
export async function packetCheck(path: string, o: ListOptions): Promise<PacketCheck> {
  const tracks = new Map<number, PacketMeter>();
  let backwards = 0;
  const { streams } = await listFrames(path, {
    ...o,
    how: ["-c", "copy"],
    onRow: (row) => {
      const meter = tracks.get(row.index) ?? new PacketMeter(row.stream.kind);
      tracks.set(row.index, meter);
      meter.push(row);
    },
    // ffmpeg puts such packets right before it lists them, and says so.
    onLog: (line) => {
      if (/\bNon-monoton\w+ DTS\b/i.test(line)) backwards++;
    },
  });
  return {
    backwards,
    tracks: [...streams].map(([i, { kind, codec, width, height }]) => ({
      kind,
      codec,
      ...(width === undefined || height === undefined ? {} : { width, height }),
      ...(tracks.get(i) ?? new PacketMeter(kind)).result(),
    })),
  };
}

/** Measures one track. */
class PacketMeter {
  readonly #isVideo: boolean;
  #packets = 0;
  #startMs = Number.POSITIVE_INFINITY;
  #endMs = 0;
  #lastMs = 0;
  #repeated = 0;
  #overlaps = 0;
  #lastDts: number | undefined;
  /** Where the media that was seen ends; of pictures, where the last one starts. */
  #reached: number | undefined;
  #lastLength = 0;
  readonly #steps = new Map<number, number>();
  readonly #holes: Hole[] = [];
  #holeCount = 0;
  /** Pictures that may still be preceded by others, in order of their times. */
  readonly #waiting: number[] = [];

  constructor(kind: MediaKind) {
    this.#isVideo = kind === "video";
  }

  push(row: CrcRow): void {
    this.#packets++;
    this.#startMs = Math.min(this.#startMs, row.ptsMs);
    this.#endMs = Math.max(this.#endMs, row.ptsMs + row.durationMs);
    this.#lastMs = Math.max(this.#lastMs, row.ptsMs);
    if (row.dtsMs === this.#lastDts) this.#repeated++;
    this.#lastDts = row.dtsMs;
    if (this.#isVideo) this.#wait(row.ptsMs);
    else this.#sound(row.ptsMs, row.durationMs);
  }

  result() {
    for (const at of this.#waiting.splice(0)) this.#picture(at);
    return {
      packets: this.#packets,
      startMs: this.#packets === 0 ? 0 : this.#startMs,
      endMs: this.#endMs,
      lastMs: this.#lastMs,
      typicalMs: median(this.#steps),
      holes: this.#holes,
      holeCount: this.#holeCount,
      repeated: this.#repeated,
      overlaps: this.#overlaps,
    };
  }

  #wait(at: number): void {
    let i = this.#waiting.length;
    while (i > 0 && (this.#waiting[i - 1] ?? 0) > at) i--;
    this.#waiting.splice(i, 0, at);
    if (this.#waiting.length > MAX_REORDER) this.#picture(this.#waiting.shift() ?? at);
  }

  #picture(at: number): void {
    if (this.#reached !== undefined) {
      this.#step(at - this.#reached);
      this.#between(this.#reached, at);
    }
    this.#reached = at;
  }

  #sound(at: number, length: number): void {
    this.#step(length);
    if (this.#reached !== undefined) {
      this.#between(this.#reached, at);
      // Times in files are rounded, and packets that came late are put in where there is still room.
      if (this.#reached - at > this.#lastLength / 2 + 2) this.#overlaps++;
    }
    this.#reached = Math.max(this.#reached ?? 0, at + length);
    this.#lastLength = length;
  }

  #between(fromMs: number, toMs: number): void {
    if (toMs - fromMs <= MIN_HOLE_MS) return;
    this.#holeCount++;
    if (this.#holes.length < MAX_HOLES) this.#holes.push({ fromMs, toMs });
  }

  #step(ms: number): void {
    const rounded = Math.min(10_000, Math.round(ms));
    this.#steps.set(rounded, (this.#steps.get(rounded) ?? 0) + 1);
  }
}

function median(histogram: ReadonlyMap<number, number>): number {
  const sorted = [...histogram].sort(([a], [b]) => a - b);
  let left = sorted.reduce((n, [, count]) => n + count, 0) / 2;
  for (const [value, count] of sorted) {
    left -= count;
    if (left <= 0) return value;
  }
  return 0;
}
