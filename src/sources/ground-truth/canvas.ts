/** A colour in limited-range BT.601 YCbCr, 8 bits each. */
export type Color = { readonly y: number; readonly u: number; readonly v: number };

/** The YCbCr colour of an RGB colour, 0..255 each. */
export function rgb(r: number, g: number, b: number): Color {
  return {
    y: Math.round(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255),
    u: Math.round(128 + (-37.797 * r - 74.203 * g + 112 * b) / 255),
    v: Math.round(128 + (112 * r - 93.786 * g - 18.214 * b) / 255),
  };
}

/** A rectangle in pixels: from (x, y), `width` by `height`. */
export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

/** How much of the pixel around (x, y) a shape covers, 0..1. */
export type Coverage = (x: number, y: number) => number;

/** A shape as numbers, made once and drawn often: coverage 0..255 of each pixel and of each 2x2 of them. */
export type Stamp = {
  readonly width: number;
  readonly height: number;
  readonly luma: Uint8Array;
  readonly chroma: Uint8Array;
};

/** Rasters a shape of even size whose coordinates start at 0. */
export function makeStamp(width: number, height: number, coverage: Coverage): Stamp {
  const luma = new Uint8Array(width * height);
  const chroma = new Uint8Array(luma.length / 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) luma[y * width + x] = 255 * coverage(x + 0.5, y + 0.5);
  for (let y = 0; y < height / 2; y++)
    for (let x = 0; x < width / 2; x++) chroma[(y * width) / 2 + x] = 255 * coverage(2 * x + 1, 2 * y + 1);
  return { width, height, luma, chroma };
}

/** Coverage of a shape whose edge is `inside` pixels away; negative: outside. Smooths one pixel of the edge. */
export function edge(inside: number): number {
  return Math.min(1, Math.max(0, inside + 0.5));
}

const even = (n: number): number => 2 * Math.round(n / 2);

/** One picture in the yuv420p layout: the luma plane, then both chroma planes at half the size. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  /** All three planes, one after the other. */
  readonly data: Uint8Array;
  readonly #y: Uint8Array;
  readonly #u: Uint8Array;
  readonly #v: Uint8Array;

  /** Width and height are even. */
  constructor(width: number, height: number) {
    const luma = width * height;
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(luma * 1.5);
    this.#y = this.data.subarray(0, luma);
    this.#u = this.data.subarray(luma, luma * 1.25);
    this.#v = this.data.subarray(luma * 1.25);
  }

  /** Takes over the picture of a canvas of the same size. */
  copyFrom(other: Canvas): void {
    this.data.set(other.data);
  }

  /** Fills everything. */
  fill(color: Color): void {
    this.#y.fill(color.y);
    this.#u.fill(color.u);
    this.#v.fill(color.v);
  }

  /** Fills a rectangle, rounded to even pixels so that its colour has sharp edges too. */
  rect(x: number, y: number, width: number, height: number, color: Color): void {
    const x0 = Math.max(0, even(x));
    const x1 = Math.min(this.width, even(x + width));
    const y1 = Math.min(this.height, even(y + height));
    for (let row = Math.max(0, even(y)); row < y1; row++) {
      this.#y.fill(color.y, row * this.width + x0, row * this.width + x1);
      if (row % 2 !== 0) continue;
      const half = ((row / 2) * this.width) / 2;
      this.#u.fill(color.u, half + x0 / 2, half + x1 / 2);
      this.#v.fill(color.v, half + x0 / 2, half + x1 / 2);
    }
  }

  /** Blends a shape in canvas coordinates that lies inside `box`. */
  shape(box: Box, color: Color, coverage: Coverage): void {
    const x0 = Math.max(0, 2 * Math.floor(box.x / 2));
    const y0 = Math.max(0, 2 * Math.floor(box.y / 2));
    const x1 = Math.min(this.width, 2 * Math.ceil((box.x + box.width) / 2));
    const y1 = Math.min(this.height, 2 * Math.ceil((box.y + box.height) / 2));
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++)
        blend(this.#y, y * this.width + x, color.y, 255 * coverage(x + 0.5, y + 0.5));
    for (let y = y0; y < y1; y += 2)
      for (let x = x0; x < x1; x += 2) {
        const at = (y * this.width) / 4 + x / 2;
        const alpha = 255 * coverage(x + 1, y + 1);
        blend(this.#u, at, color.u, alpha);
        blend(this.#v, at, color.v, alpha);
      }
  }

  /** Blends a stamp with its upper left corner at (x, y), rounded to even pixels. It must fit. */
  stamp(stamp: Stamp, x: number, y: number, color: Color): void {
    const left = even(x);
    const top = even(y);
    const { width, height, luma, chroma } = stamp;
    for (let row = 0; row < height; row++) {
      const to = (top + row) * this.width + left;
      for (let i = 0; i < width; i++) blend(this.#y, to + i, color.y, luma[row * width + i] ?? 0);
    }
    for (let row = 0; row < height / 2; row++) {
      const to = ((top / 2 + row) * this.width) / 2 + left / 2;
      for (let i = 0; i < width / 2; i++) {
        const alpha = chroma[(row * width) / 2 + i] ?? 0;
        blend(this.#u, to + i, color.u, alpha);
        blend(this.#v, to + i, color.v, alpha);
      }
    }
  }
}

function blend(plane: Uint8Array, at: number, value: number, alpha: number): void {
  if (alpha <= 0) return;
  const under = plane[at] ?? 0;
  plane[at] = under + ((value - under) * alpha) / 255 + 0.5;
}
