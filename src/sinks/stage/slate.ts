import type { TextLine } from "../../ffmpeg/draw-text.ts";
import type { Canvas, Colour, Mask } from "../compositor/canvas.ts";
import { even } from "../compositor/layout.ts";
import { fitText, plainName } from "../compositor/names.ts";
import type { Letters } from "../compositor/painter.ts";
import { roundRectangle } from "../compositor/shapes.ts";
import { COLOURS } from "../compositor/style.ts";

/** What stands on a slate. */
export type SlateText = { readonly title: string | undefined; readonly waiting: string };

/** Share of the width that text may take. */
const WIDTH = 0.84;

/** Paints what is shown while there is nobody to show: the title, and for whom the stream waits. */
export function paintSlate(canvas: Canvas, letters: Letters, text: SlateText): void {
  const { width, height } = canvas;
  canvas.fill({ x: 0, y: 0, width, height }, COLOURS.background);
  const title = text.title === undefined ? undefined : letters.of(lineOf(text.title, width, height * 0.082));
  const waiting = letters.of(lineOf(text.waiting, width, height * 0.042));
  const middle = Math.round(height / 2);
  const bar = roundRectangle(even(height * 0.11), Math.max(2, even(height * 0.008)), height * 0.004);
  const unit = Math.round(height * 0.042);
  put(canvas, bar, middle - (title ? 0 : unit), COLOURS.speaking);
  if (title) put(canvas, title, middle - unit - title.height, COLOURS.text);
  if (waiting) put(canvas, waiting, middle + (title ? unit : 0), COLOURS.quiet);
}

function lineOf(text: string, width: number, size: number): TextLine {
  const whole = Math.max(12, Math.round(size));
  const room = Math.round(width * WIDTH);
  return { text: fitText(plainName(text), room / whole), size: whole, width: room };
}

function put(canvas: Canvas, mask: Mask, y: number, colour: Colour): void {
  canvas.blend(canvas.stamp(mask, Math.round((canvas.width - mask.width) / 2), y), colour);
}
