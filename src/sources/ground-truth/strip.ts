import type { Canvas, Color } from "./canvas.ts";
import { DESIGN } from "./spec.ts";

/**
 * The machine-readable frame number: a row of black and white blocks along the lower edge, large enough for
 * rough quantisation and for pictures scaled down to a quarter. From the left: 4 blocks of sync (which also
 * tell what black and white have become), 16 bits of the number, 8 bits of CRC; most significant bit first.
 */

/** Black, white, black, white. */
const SYNC = 0b0101;
const SYNC_BITS = 4;
const NUMBER_BITS = 16;
const CRC_BITS = 8;
const BLOCKS = SYNC_BITS + NUMBER_BITS + CRC_BITS;

/** Where the strip is, in design pixels. The black panel around it stays in a flash. */
const STRIP = { x: 24, y: 640, block: 44, height: 56 } as const;
const PANEL_Y = STRIP.y - 8;
/** Black border of every block. */
const INSET = 2;

/** Black and white must differ by this much of 255, or nothing is there to read. */
const MIN_CONTRAST = 48;

const BLACK: Color = { y: 16, u: 128, v: 128 };
const DARK: Color = { y: 32, u: 128, v: 128 };
const WHITE: Color = { y: 235, u: 128, v: 128 };

/** CRC-8 (polynomial 0x07) over the two bytes of a frame number. The start value keeps 0 from matching itself. */
function crc8(number: number): number {
  let crc = 0xff;
  for (const byte of [number >> 8, number & 0xff]) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc & 0x80 ? (crc << 1) ^ 0x07 : crc << 1) & 0xff;
  }
  return crc;
}

/** Draws frame number `n` (0..65535) with its panel. */
export function drawStrip(canvas: Canvas, n: number): void {
  const sx = canvas.width / DESIGN.width;
  const sy = canvas.height / DESIGN.height;
  canvas.rect(0, PANEL_Y * sy, canvas.width, canvas.height, BLACK);
  const bits = (SYNC << (NUMBER_BITS + CRC_BITS)) | (n << CRC_BITS) | crc8(n);
  for (let i = 0; i < BLOCKS; i++) {
    const x = (STRIP.x + i * STRIP.block + INSET) * sx;
    const color = (bits >> (BLOCKS - 1 - i)) & 1 ? WHITE : DARK;
    canvas.rect(x, STRIP.y * sy, (STRIP.block - 2 * INSET) * sx, STRIP.height * sy, color);
  }
}

/** Reads the frame number from a gray picture of any size from about 160x90; undefined when it cannot be read. */
export function readStrip(gray: Uint8Array, width: number, height: number): number | undefined {
  const level = (i: number) => blockLevel(gray, width, height, i);
  const black = (level(0) + level(2)) / 2;
  const white = (level(1) + level(3)) / 2;
  if (white - black < MIN_CONTRAST) return undefined;
  const threshold = (black + white) / 2;
  let bits = 0;
  for (let i = 0; i < BLOCKS; i++) bits = (bits << 1) | (level(i) > threshold ? 1 : 0);
  const number = (bits >> CRC_BITS) & 0xffff;
  const valid = bits >> (NUMBER_BITS + CRC_BITS) === SYNC && (bits & 0xff) === crc8(number);
  return valid ? number : undefined;
}

/** First row of a gray picture that belongs to the strip's panel; the picture proper is above. */
export function panelTop(height: number): number {
  return Math.floor((PANEL_Y * height) / DESIGN.height);
}

/** Mean level of the middle of a block; its edges are smeared by scaling and coding. */
function blockLevel(gray: Uint8Array, width: number, height: number, i: number): number {
  const sx = width / DESIGN.width;
  const sy = height / DESIGN.height;
  const x0 = Math.round((STRIP.x + (i + 0.3) * STRIP.block) * sx);
  const x1 = Math.max(x0 + 1, Math.round((STRIP.x + (i + 0.7) * STRIP.block) * sx));
  const y0 = Math.round((STRIP.y + 0.3 * STRIP.height) * sy);
  const y1 = Math.max(y0 + 1, Math.round((STRIP.y + 0.7 * STRIP.height) * sy));
  let sum = 0;
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += gray[y * width + x] ?? 0;
  return sum / ((x1 - x0) * (y1 - y0));
}
