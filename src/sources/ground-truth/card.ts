import { Canvas, type Color, edge, rgb } from "./canvas.ts";
import { Dial } from "./dial.ts";
import { type DigitStamps, digitStamps, drawText, textWidth } from "./glyphs.ts";
import { type ClipSize, DESIGN, FPS, isFlash, LOOP_FRAMES, LOOP_SECONDS } from "./spec.ts";
import { drawStrip } from "./strip.ts";

const WHITE: Color = { y: 235, u: 128, v: 128 };
const TEXT = rgb(236, 240, 247);
const MUTED = rgb(122, 136, 160);
const ACCENT = rgb(255, 176, 46);
const COOL = rgb(56, 196, 214);
const UNLIT = rgb(34, 43, 62);
const LINE = rgb(25, 33, 52);

/** Bars of 75 % colour, as test pictures have had them for decades. */
const BARS: readonly Color[] = [
  rgb(191, 191, 191),
  rgb(191, 191, 0),
  rgb(0, 191, 191),
  rgb(0, 191, 0),
  rgb(191, 0, 191),
  rgb(191, 0, 0),
  rgb(0, 0, 191),
];

/** Layout in design pixels. */
const MARGIN = 64;
const TIME = { y: 176, width: 132, height: 216, step: 158, pointStep: 48 } as const;
const FRAME = { x: 1094, y: 60, width: 34, height: 56, step: 44 } as const;
const GRID = 64;
const DIAL = { x: 1058, y: 304, radius: 158 } as const;
const COLORS = { y: 484, height: 56, grays: 20 } as const;
const PROGRESS = { y: 592, height: 8, knob: 12 } as const;

/** Draws the frames of the ground-truth clip, one after the other, into one canvas. */
export class TestCard {
  readonly #background: Canvas;
  readonly #canvas: Canvas;
  readonly #scale: number;
  readonly #dial: Dial;
  readonly #timeDigits: DigitStamps;
  readonly #frameDigits: DigitStamps;

  /** The size is one that `checkSize` accepts. */
  constructor({ width, height }: ClipSize) {
    const s = width / DESIGN.width;
    this.#scale = s;
    this.#background = new Canvas(width, height);
    this.#canvas = new Canvas(width, height);
    this.#dial = new Dial(DIAL.x * s, DIAL.y * s, DIAL.radius * s, { dim: UNLIT, lit: COOL, hand: TEXT });
    const digits = (w: number, h: number) =>
      digitStamps(2 * Math.round((w * s) / 2), 2 * Math.round((h * s) / 2));
    this.#timeDigits = digits(TIME.width, TIME.height);
    this.#frameDigits = digits(FRAME.width, FRAME.height);
    this.#drawBackground(this.#background);
  }

  /** The picture of frame `n` in yuv420p. The memory is used again by the next call. */
  draw(n: number): Uint8Array {
    const canvas = this.#canvas;
    if (isFlash(n)) canvas.fill(WHITE);
    else {
      canvas.copyFrom(this.#background);
      this.#drawTime(canvas, n);
      this.#dial.drawTurn(canvas, (n % FPS) / FPS);
      this.#drawProgress(canvas, n);
    }
    drawStrip(canvas, n);
    return canvas.data;
  }

  #drawBackground(canvas: Canvas): void {
    const s = this.#scale;
    for (let y = 0; y < canvas.height; y += 2) {
      const t = y / canvas.height;
      canvas.rect(0, y, canvas.width, 2, rgb(14 + 10 * t, 20 + 14 * t, 36 + 26 * t));
    }
    for (let x = GRID; x < DESIGN.width; x += GRID) canvas.rect(x * s, 0, 2, canvas.height, LINE);
    for (let y = GRID; y < DESIGN.height; y += GRID) canvas.rect(0, y * s, canvas.width, 2, LINE);
    drawText(canvas, "ROOMTAP", MARGIN * s, 60 * s, 8 * s, TEXT);
    drawText(canvas, "TEST CLIP", (MARGIN + textWidth(7, 8) + 32) * s, 88 * s, 4 * s, MUTED);
    drawText(canvas, "FRAME", (FRAME.x - 20 - textWidth(5, 4)) * s, 88 * s, 4 * s, MUTED);
    this.#dial.drawFace(canvas);
    drawText(
      canvas,
      "TONE AND FLASH EVERY SECOND",
      MARGIN * s,
      (TIME.y + TIME.height + 24) * s,
      4 * s,
      MUTED,
    );
    this.#drawColors(canvas);
  }

  #drawColors(canvas: Canvas): void {
    const s = this.#scale;
    const width = DESIGN.width - 2 * MARGIN;
    for (const [i, color] of BARS.entries()) {
      const from = MARGIN + (i * width) / BARS.length;
      canvas.rect(from * s, COLORS.y * s, (width / BARS.length) * s, COLORS.height * s, color);
    }
    const step = 32;
    for (let i = 0; i < width / step; i++) {
      const y = 16 + (219 * i) / (width / step - 1);
      canvas.rect((MARGIN + i * step) * s, (COLORS.y + COLORS.height) * s, step * s, COLORS.grays * s, {
        y,
        u: 128,
        v: 128,
      });
    }
  }

  #drawTime(canvas: Canvas, n: number): void {
    const s = this.#scale;
    const hundredths = Math.floor((n * 100) / FPS);
    const digits = [hundredths / 1000, hundredths / 100, hundredths / 10, hundredths];
    let x = MARGIN;
    for (const [i, value] of digits.entries()) {
      if (i === 2) {
        const r = 11 * s;
        const cx = (x + 4) * s;
        const cy = (TIME.y + TIME.height - 12) * s;
        canvas.shape(
          { x: cx - r - 1, y: cy - r - 1, width: 2 * r + 2, height: 2 * r + 2 },
          ACCENT,
          (px, py) => edge(r - Math.hypot(px - cx, py - cy)),
        );
        x += TIME.pointStep;
      }
      drawDigit(canvas, this.#timeDigits, value, x * s, TIME.y * s, ACCENT);
      x += TIME.step;
    }
    x = FRAME.x;
    for (const value of [n / 100, n / 10, n]) {
      drawDigit(canvas, this.#frameDigits, value, x * s, FRAME.y * s, TEXT);
      x += FRAME.step;
    }
  }

  /** A knob that glides over the length of the loop: uneven motion is easy to see. */
  #drawProgress(canvas: Canvas, n: number): void {
    const s = this.#scale;
    const width = DESIGN.width - 2 * MARGIN;
    canvas.rect(MARGIN * s, PROGRESS.y * s, width * s, PROGRESS.height * s, UNLIT);
    const x = (MARGIN + (n * width) / LOOP_FRAMES) * s;
    canvas.rect(MARGIN * s, PROGRESS.y * s, x - MARGIN * s, PROGRESS.height * s, COOL);
    for (let i = 1; i < LOOP_SECONDS; i++)
      canvas.rect(
        (MARGIN + (i * width) / LOOP_SECONDS) * s,
        PROGRESS.y * s,
        2 * s,
        PROGRESS.height * s,
        MUTED,
      );
    const r = PROGRESS.knob * s;
    const y = (PROGRESS.y + PROGRESS.height / 2) * s;
    canvas.shape({ x: x - r - 1, y: y - r - 1, width: 2 * r + 2, height: 2 * r + 2 }, TEXT, (px, py) =>
      edge(r - Math.hypot(px - x, py - y)),
    );
  }
}

function drawDigit(
  canvas: Canvas,
  stamps: DigitStamps,
  value: number,
  x: number,
  y: number,
  color: Color,
): void {
  const lit = stamps.lit[Math.floor(value) % 10];
  canvas.stamp(stamps.dark, x, y, UNLIT);
  if (lit) canvas.stamp(lit, x, y, color);
}
