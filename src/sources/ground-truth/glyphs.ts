import { type Canvas, type Color, edge, makeStamp, type Stamp } from "./canvas.ts";

/** Letters on a grid of 5 columns and 7 rows, one string of 0 and 1 per row. Only those the card needs. */
const LETTERS: Readonly<Record<string, readonly string[]>> = {
  A: ["01110", "10001", "10001", "11111", "10001", "10001", "10001"],
  C: ["01110", "10001", "10000", "10000", "10000", "10001", "01110"],
  D: ["11110", "10001", "10001", "10001", "10001", "10001", "11110"],
  E: ["11111", "10000", "10000", "11110", "10000", "10000", "11111"],
  F: ["11111", "10000", "10000", "11110", "10000", "10000", "10000"],
  H: ["10001", "10001", "10001", "11111", "10001", "10001", "10001"],
  I: ["01110", "00100", "00100", "00100", "00100", "00100", "01110"],
  L: ["10000", "10000", "10000", "10000", "10000", "10000", "11111"],
  M: ["10001", "11011", "10101", "10101", "10001", "10001", "10001"],
  N: ["10001", "11001", "10101", "10101", "10011", "10001", "10001"],
  O: ["01110", "10001", "10001", "10001", "10001", "10001", "01110"],
  P: ["11110", "10001", "10001", "11110", "10000", "10000", "10000"],
  R: ["11110", "10001", "10001", "11110", "10100", "10010", "10001"],
  S: ["01111", "10000", "10000", "01110", "00001", "00001", "11110"],
  T: ["11111", "00100", "00100", "00100", "00100", "00100", "00100"],
  U: ["10001", "10001", "10001", "10001", "10001", "10001", "01110"],
  V: ["10001", "10001", "10001", "10001", "10001", "01010", "00100"],
  Y: ["10001", "10001", "01010", "00100", "00100", "00100", "00100"],
};
const COLUMNS = 5;
const ROWS = 7;

/** Writes capital letters and spaces; `dot` is the side of one grid cell in pixels. */
export function drawText(
  canvas: Canvas,
  text: string,
  x: number,
  y: number,
  dot: number,
  color: Color,
): void {
  for (const [i, letter] of [...text].entries()) {
    const rows = LETTERS[letter];
    if (!rows) continue;
    const left = x + i * (COLUMNS + 1) * dot;
    canvas.shape({ x: left, y, width: COLUMNS * dot, height: ROWS * dot }, color, (px, py) => {
      const row = rows[Math.floor((py - y) / dot)];
      return row?.[Math.floor((px - left) / dot)] === "1" ? 1 : 0;
    });
  }
}

/** Width in pixels of a text of `letters` letters. */
export function textWidth(letters: number, dot: number): number {
  return (letters * (COLUMNS + 1) - 1) * dot;
}

/** Segments a to g of each digit: top, upper right, lower right, bottom, lower left, upper left, middle. */
const SEGMENTS = ["abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg"];
/** Lean of the digits: pixels to the right per pixel up. */
const SLANT = 0.07;

/** Stamps of one seven-segment display. */
export type DigitStamps = {
  /** Digits 0 to 9. */
  readonly lit: readonly Stamp[];
  /** All segments, to show where dark ones are. */
  readonly dark: Stamp;
};

/** Rasters the digits of a seven-segment display of this even size. */
export function digitStamps(width: number, height: number): DigitStamps {
  const stamp = (segments: string) => makeStamp(width, height, digitCoverage(width, height, segments));
  return { lit: SEGMENTS.map(stamp), dark: stamp("abcdefg") };
}

function digitCoverage(width: number, height: number, segments: string): (x: number, y: number) => number {
  const half = height / 18;
  const gap = height / 90;
  const lean = height * SLANT;
  const left = half;
  const right = width - lean - half;
  const top = half;
  const middle = height / 2;
  const bottom = height - half;
  /** Inside distance to a bar with pointed ends; its axis runs from `a` to `b` at `across`. */
  const bar = (along: number, offAxis: number, a: number, b: number) =>
    half - gap - (Math.abs(offAxis) + Math.max(0, a + half - along, along - (b - half)));
  return (px, y) => {
    const x = px - (height - y) * SLANT;
    let inside = Number.NEGATIVE_INFINITY;
    for (const s of segments) {
      let d: number;
      if (s === "a") d = bar(x, y - top, left, right);
      else if (s === "g") d = bar(x, y - middle, left, right);
      else if (s === "d") d = bar(x, y - bottom, left, right);
      else {
        const upper = s === "b" || s === "f";
        const axis = s === "b" || s === "c" ? right : left;
        d = bar(y, x - axis, upper ? top : middle, upper ? middle : bottom);
      }
      if (d > inside) inside = d;
    }
    return edge(inside);
  };
}
