import type { Box } from "./layout.ts";
import { axisTaps, type Taps } from "./taps.ts";

/** A colour as limited-range YUV (BT.601). */
export type Colour = { readonly y: number; readonly u: number; readonly v: number };

/** The colour of 0xRRGGBB. */
export function colour(rgb: number): Colour {
  const [r, g, b] = [(rgb >> 16) & 255, (rgb >> 8) & 255, rgb & 255];
  return {
    y: Math.round(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255),
    u: Math.round(128 + (-37.797 * r - 74.203 * g + 112 * b) / 255),
    v: Math.round(128 + (112 * r - 93.786 * g - 18.214 * b) / 255),
  };
}

/** How much of every pixel of a shape is covered, 0..255. */
export type Mask = { readonly width: number; readonly height: number; readonly alpha: Uint8Array };

/** A shape at its place on canvases of one size: only the pixels that it covers. */
export type Stamp = {
  /** Places in the luma plane, and how much is covered. */
  readonly luma: Int32Array;
  readonly lumaAlpha: Uint8Array;
  /** The same in either chroma plane. */
  readonly chroma: Int32Array;
  readonly chromaAlpha: Uint8Array;
};

/** A picture that is painted on: YUV 4:2:0, planar, both sides even. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  /** Start of each plane. */
  readonly #planes: readonly [number, number, number];
  #row = new Int32Array(0);

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array((width * height * 3) / 2);
    this.#planes = [0, width * height, (width * height * 5) / 4];
  }

  /** Fills a box with a colour. */
  fill(box: Box, c: Colour): void {
    for (const [plane, value] of [c.y, c.u, c.v].entries()) {
      const { start, stride, x, y, width, height } = this.#part(plane, box);
      for (let row = 0; row < height; row++) {
        const at = start + (y + row) * stride + x;
        this.pixels.fill(value, at, at + width);
      }
    }
  }

  /** Puts a picture of `width` x `height`, laid out as a canvas, into a box; scaled, where it is of another size. */
  draw(box: Box, pixels: Uint8Array, width: number, height: number): void {
    const starts = [0, width * height, (width * height * 5) / 4];
    for (const [plane, from] of starts.entries()) {
      const to = this.#part(plane, box);
      const half = plane === 0 ? 1 : 2;
      const source = pixels.subarray(from, from + (width / half) * (height / half));
      if (to.width === width / half && to.height === height / half) this.#copy(source, to);
      else this.#scale(source, width / half, height / half, to);
    }
  }

  /** Lets a colour cover what is there. */
  blend(s: Stamp, c: Colour): void {
    mix(this.pixels, 0, s.luma, s.lumaAlpha, c.y);
    mix(this.pixels, this.#planes[1], s.chroma, s.chromaAlpha, c.u);
    mix(this.pixels, this.#planes[2], s.chroma, s.chromaAlpha, c.v);
  }

  /** A mask with its upper left corner at a place; what is outside of the canvas is cut off. */
  stamp(mask: Mask, x: number, y: number): Stamp {
    const alphaAt = (px: number, py: number) => {
      const [mx, my] = [px - x, py - y];
      return mx < 0 || my < 0 || mx >= mask.width || my >= mask.height
        ? 0
        : (mask.alpha[my * mask.width + mx] ?? 0);
    };
    const left = Math.max(0, x & ~1);
    const top = Math.max(0, y & ~1);
    const right = Math.min(this.width, x + mask.width + 1);
    const bottom = Math.min(this.height, y + mask.height + 1);
    const luma: number[] = [];
    const lumaAlpha: number[] = [];
    const chroma: number[] = [];
    const chromaAlpha: number[] = [];
    for (let py = top; py < bottom; py += 2)
      for (let px = left; px < right; px += 2) {
        let sum = 0;
        for (const [dx, dy] of QUAD) {
          const a = alphaAt(px + dx, py + dy);
          sum += a;
          if (a === 0) continue;
          luma.push((py + dy) * this.width + px + dx);
          lumaAlpha.push(a);
        }
        if (sum === 0) continue;
        chroma.push((py / 2) * (this.width / 2) + px / 2);
        chromaAlpha.push((sum + 2) >> 2);
      }
    return {
      luma: Int32Array.from(luma),
      lumaAlpha: Uint8Array.from(lumaAlpha),
      chroma: Int32Array.from(chroma),
      chromaAlpha: Uint8Array.from(chromaAlpha),
    };
  }

  #part(plane: number, { x, y, width, height }: Box): PlanePart {
    const half = plane === 0 ? 1 : 2;
    const start = this.#planes[plane] ?? 0;
    const stride = this.width / half;
    return { start, stride, x: x / half, y: y / half, width: width / half, height: height / half };
  }

  #copy(source: Uint8Array, to: PlanePart): void {
    for (let row = 0; row < to.height; row++) {
      const line = source.subarray(row * to.width, (row + 1) * to.width);
      this.pixels.set(line, to.start + (to.y + row) * to.stride + to.x);
    }
  }

  /** Averages what falls onto a pixel, across and down. */
  #scale(source: Uint8Array, width: number, height: number, to: PlanePart): void {
    const across = axisTaps(width, to.width);
    const down = axisTaps(height, to.height);
    if (this.#row.length < to.width) this.#row = new Int32Array(to.width);
    const row = this.#row;
    for (let y = 0; y < to.height; y++) {
      row.fill(HALF, 0, to.width);
      for (let k = 0; k < down.count; k++) {
        const line = (down.index[y * down.count + k] ?? 0) * width;
        const share = down.weight[y * down.count + k] ?? 0;
        if (across.count === 2) addPairs(row, source, line, across, share, to.width);
        else addTriples(row, source, line, across, share, to.width);
      }
      const at = to.start + (to.y + y) * to.stride + to.x;
      for (let x = 0; x < to.width; x++) this.pixels[at + x] = (row[x] ?? 0) >> 16;
    }
  }
}

type PlanePart = {
  readonly start: number;
  readonly stride: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};

const QUAD = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
] as const;

/** One half in 16.16 bits, for rounding. */
const HALF = 1 << 15;

function addPairs(
  row: Int32Array,
  source: Uint8Array,
  line: number,
  { index, weight }: Taps,
  share: number,
  width: number,
): void {
  for (let x = 0, t = 0; x < width; x++, t += 2) {
    const a = (source[line + (index[t] ?? 0)] ?? 0) * (weight[t] ?? 0);
    const b = (source[line + (index[t + 1] ?? 0)] ?? 0) * (weight[t + 1] ?? 0);
    row[x] = (row[x] ?? 0) + (a + b) * share;
  }
}

function addTriples(
  row: Int32Array,
  source: Uint8Array,
  line: number,
  { index, weight }: Taps,
  share: number,
  width: number,
): void {
  for (let x = 0, t = 0; x < width; x++, t += 3) {
    const a = (source[line + (index[t] ?? 0)] ?? 0) * (weight[t] ?? 0);
    const b = (source[line + (index[t + 1] ?? 0)] ?? 0) * (weight[t + 1] ?? 0);
    const c = (source[line + (index[t + 2] ?? 0)] ?? 0) * (weight[t + 2] ?? 0);
    row[x] = (row[x] ?? 0) + (a + b + c) * share;
  }
}

function mix(pixels: Uint8Array, start: number, places: Int32Array, alpha: Uint8Array, value: number): void {
  for (let i = 0; i < places.length; i++) {
    const at = start + (places[i] ?? 0);
    const there = pixels[at] ?? 0;
    pixels[at] = there + ((value - there) * (alpha[i] ?? 0) + 127) / 255;
  }
}
