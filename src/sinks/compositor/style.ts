import { type Colour, colour } from "./canvas.ts";
import { even } from "./layout.ts";

/** What a tile is filled with where its picture does not reach, 0xRRGGBB. */
export const TILE_RGB = 0x23272e;

/** Colours of a composition. */
export const COLOURS = {
  background: colour(0x101216),
  tile: colour(TILE_RGB),
  plate: colour(0x000000),
  text: colour(0xffffff),
  quiet: colour(0xc9d1d9),
  speaking: colour(0x3fd07a),
  muted: colour(0xff6b5e),
} as const satisfies Record<string, Colour>;

/** Behind the initials of those without a picture. */
export const FACES: readonly Colour[] = [
  0x3b6fd8, 0x8a56c9, 0xb8486f, 0x2f8f83, 0xa8672a, 0x5a7d2a, 0x4a6a86, 0x9a4fae,
].map(colour);

/** Sizes inside a tile of a height, pixels. */
export function tileStyle(width: number, height: number) {
  const text = Math.max(12, Math.min(26, Math.round(height * 0.055)));
  const pad = Math.max(4, Math.round(text * 0.55));
  const short = Math.min(width, height);
  return {
    radius: Math.max(3, Math.min(14, Math.round(short * 0.035))),
    ring: Math.max(3, Math.min(5, Math.round(short * 0.012))),
    text,
    /** Inside a plate, left and right of what is written. */
    pad,
    /** From the tile's edge to the plate. */
    margin: Math.max(3, Math.min(12, even(short * 0.035))),
    face: even(short * 0.44),
    initials: Math.max(11, Math.round(short * 0.16)),
  };
}

/** Height of the title's bar, and of its letters, in a picture of a height. */
export function titleStyle(height: number) {
  const bar = Math.max(20, even(height * 0.058));
  return { bar, text: Math.max(12, Math.round(bar * 0.5)) };
}
