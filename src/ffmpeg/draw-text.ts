import { copyFile, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { concat } from "../core/bytes.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";
import { findFonts } from "./find-fonts.ts";
import { type FontCoverage, fontCoverage } from "./font-coverage.ts";
import { runFfmpeg } from "./run.ts";

/** Lines drawn by one process: its graph stays small. */
const BATCH = 48;
/** An ffmpeg that takes longer hangs. Milliseconds. */
const TIMEOUT_MS = 20_000;
/** Room left of the text, for glyphs that reach beyond their place. */
const LEFT = 4;

/** A line of text to draw. */
export type TextLine = {
  /** One line, without control characters. */
  readonly text: string;
  /** Height of the letters, pixels. */
  readonly size: number;
  /** What is wider is cut off, pixels. */
  readonly width: number;
};

/** A drawn line: how much of every pixel is text, 0..255. */
export type DrawnText = {
  /** As wide as what is to be seen; 0: nothing is. */
  readonly width: number;
  /** The same for all lines of one size. */
  readonly height: number;
  readonly alpha: Uint8Array;
  /** It was cut off at the width that it may have. */
  readonly cut: boolean;
};

type Font = { readonly path: string; readonly covers: FontCoverage | undefined };

/**
 * Draws lines of text. They reach ffmpeg as files and are never part of a command or a filter. Resolves with
 * undefined where this ffmpeg, or this machine, cannot write text.
 */
export async function drawText(
  ffmpeg: string,
  lines: readonly TextLine[],
  signal: AbortSignal,
): Promise<readonly DrawnText[] | undefined> {
  const { filters } = await ffmpegCapabilities(ffmpeg);
  if (!filters.has("drawtext")) return undefined;
  const fonts = findFonts().map((path) => ({ path, covers: fontCoverage(path) }));
  // Where no font is found by its file, ffmpeg may know one by its name.
  for (const use of fonts.length > 0 ? [fonts, []] : [[]]) {
    try {
      const out: DrawnText[] = [];
      for (let i = 0; i < lines.length; i += BATCH)
        out.push(...(await drawBatch(ffmpeg, lines.slice(i, i + BATCH), use, signal)));
      return out;
    } catch (error) {
      if (signal.aborted) throw error;
    }
  }
  return undefined;
}

async function drawBatch(
  ffmpeg: string,
  lines: readonly TextLine[],
  fonts: readonly Font[],
  signal: AbortSignal,
): Promise<DrawnText[]> {
  const folder = await mkdtemp(join(tmpdir(), "roomtap-text-"));
  try {
    const names = fonts.map(({ path }, i) => `font-${i}${extname(path).toLowerCase()}`);
    await Promise.all(fonts.map(({ path }, i) => place(path, join(folder, names[i] ?? ""))));
    await Promise.all(lines.map((line, i) => writeFile(join(folder, `line-${i}.txt`), line.text)));
    const used = lines.map((line) => names[bestFont(line.text, fonts)]);
    const sheet = sheetOf(lines);
    const parts: Uint8Array[] = [];
    await runFfmpeg({
      ffmpeg,
      command: textCommand(lines, used),
      cwd: folder,
      input: blank(sheet.width * sheet.height),
      onOutput: (bytes) => void parts.push(bytes),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      patience: { eofMs: 0, interruptMs: 500 },
    });
    const pixels = concat(parts);
    return lines.map((line, i) => cutOut(pixels, sheet, sheet.tops[i] ?? 0, line));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The command that draws lines below one another. `fonts`: names of files, by line. */
export function textCommand(lines: readonly TextLine[], fonts: readonly (string | undefined)[]): CommandSpec {
  const { width, height, tops } = sheetOf(lines);
  return {
    inputs: [
      {
        source: "stdin",
        options: ["-f", "rawvideo", "-pix_fmt", "gray", "-s", `${width}x${height}`, "-r", "1"],
      },
    ],
    videoFilters: lines.flatMap(({ text, size }, i) => {
      if (text.trim() === "") return [];
      const font = fonts[i] === undefined ? "" : `fontfile=${fonts[i]}:`;
      // Letters stand on a line of their own, whatever reaches above or below it.
      const base = (tops[i] ?? 0) + Math.round(size * 1.1);
      const file = `textfile=line-${i}.txt:expansion=none`;
      return [`drawtext=${file}:${font}fontsize=${size}:fontcolor=white:x=${LEFT}:y=${base}-max_glyph_a`];
    }),
    options: ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray"],
    output: "stdout",
  };
}

function sheetOf(lines: readonly TextLine[]) {
  let height = 0;
  const tops = lines.map(({ size }) => {
    const top = height;
    height += rowHeight(size);
    return top;
  });
  return { width: LEFT + Math.max(0, ...lines.map((l) => l.width)), height, tops };
}

function rowHeight(size: number): number {
  return Math.ceil(size * 1.5);
}

async function* blank(size: number): AsyncIterable<Uint8Array> {
  yield new Uint8Array(size);
}

async function place(font: string, path: string): Promise<void> {
  // Windows does not let everybody make links.
  await symlink(font, path).catch(() => copyFile(font, path));
}

/** The font with the most of a text's characters, the first of several. */
function bestFont(text: string, fonts: readonly Font[]): number {
  const characters = [...new Set([...text].map((c) => c.codePointAt(0) ?? 0))];
  const held = fonts.map(({ covers }) => (covers ? characters.filter(covers).length : 0));
  return held.indexOf(Math.max(...held));
}

/** A line out of the sheet, as wide as its ink. */
function cutOut(
  pixels: Uint8Array,
  sheet: { readonly width: number },
  top: number,
  line: TextLine,
): DrawnText {
  const height = rowHeight(line.size);
  const limit = LEFT + line.width;
  let left = limit;
  let right = -1;
  let peak = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < limit; x++) {
      const v = pixels[(top + y) * sheet.width + x] ?? 0;
      if (v < 24) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      peak = Math.max(peak, v);
    }
  if (right < left) return { width: 0, height, alpha: new Uint8Array(0), cut: false };
  const width = right - left + 1;
  const alpha = new Uint8Array(width * height);
  // White is 235 in some builds.
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const v = pixels[(top + y) * sheet.width + left + x] ?? 0;
      alpha[y * width + x] = Math.min(255, Math.round((v * 255) / peak));
    }
  return { width, height, alpha, cut: right >= limit - line.size / 3 };
}
