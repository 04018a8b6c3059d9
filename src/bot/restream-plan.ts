import { RoomtapError } from "../core/fault.ts";
import type { LiveRendition } from "../ffmpeg/encode-live.ts";
import type { Rendition } from "../sinks/program/program.ts";

/** A picture's size, pixels. */
export type Size = { readonly width: number; readonly height: number };

/** A size that is streamed. */
export type PlannedRendition = Rendition & LiveRendition;

/** Bits per pixel and picture: what a call's faces and slides need at `superfast`. */
const BITS_PER_PIXEL = 0.1;
/** Small pictures need more. */
const MIN_VIDEO_BITRATE = 250_000;
/** Bits per second of the sound. */
export const AUDIO_BITRATE = 128_000;
const MIN_SIDE = 128;
const MAX_SIDE = 4096;
const MAX_RENDITIONS = 6;

/** Reads `1280x720`. Throws a RoomtapError `usage`. */
export function parseSize2d(text: string): Size {
  const m = /^(\d{2,4})x(\d{2,4})$/.exec(text.trim());
  const size = { width: Number(m?.[1]), height: Number(m?.[2]) };
  if (!m || !isPictureSize(size)) {
    throw new RoomtapError("usage", `not a size of pictures: ${text.slice(0, 20)}`, {
      hint: `write it like 1280x720; both sides even, from ${MIN_SIDE} to ${MAX_SIDE}`,
    });
  }
  return size;
}

function isPictureSize({ width, height }: Size): boolean {
  return [width, height].every((n) => n >= MIN_SIDE && n <= MAX_SIDE && n % 2 === 0);
}

/** Reads `720p,360p`: heights. Throws a RoomtapError `usage`. */
export function parseRenditions(text: string): number[] {
  const heights = text.split(",").map((t) => Number(/^(\d{3,4})p?$/.exec(t.trim())?.[1]));
  if (
    heights.some((h) => !(h >= MIN_SIDE && h <= MAX_SIDE && h % 2 === 0)) ||
    new Set(heights).size !== heights.length ||
    heights.length > MAX_RENDITIONS
  ) {
    throw new RoomtapError("usage", `not a list of renditions: ${text.slice(0, 60)}`, {
      hint: `write it like 720p,360p; at most ${MAX_RENDITIONS}, each once, even heights from ${MIN_SIDE}`,
    });
  }
  return heights.toSorted((a, b) => b - a);
}

/**
 * What is encoded, the best first. The canvas has the largest size; the others have its shape. `videoBitrate`: of the
 * best one, bits per second; the others have as much less as they are smaller.
 */
export function planRenditions(o: {
  readonly size: Size;
  readonly heights?: readonly number[] | undefined;
  readonly framesPerSecond: number;
  readonly videoBitrate?: number | undefined;
}): PlannedRendition[] {
  const { size, framesPerSecond } = o;
  const heights = o.heights ?? [size.height];
  const shape = size.width / size.height;
  const best = Math.max(...heights);
  const usual = (pixels: number) =>
    Math.max(MIN_VIDEO_BITRATE, Math.round(pixels * framesPerSecond * BITS_PER_PIXEL));
  return heights.map((height) => {
    const width = 2 * Math.round((height * shape) / 2);
    const share = (height / best) ** 2;
    const videoBitrate =
      o.videoBitrate === undefined
        ? usual(width * height)
        : Math.max(MIN_VIDEO_BITRATE / 2, Math.round(o.videoBitrate * share));
    return {
      name: `${height}p`,
      width,
      height,
      framesPerSecond,
      videoBitrate,
      bitrate: videoBitrate + AUDIO_BITRATE,
    };
  });
}
