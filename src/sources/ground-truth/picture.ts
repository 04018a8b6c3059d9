import { FPS, isFlash } from "./spec.ts";
import { panelTop, readStrip } from "./strip.ts";

/** Above this level of 255 a pixel counts as white. */
const WHITE_LEVEL = 180;
/** Share of the picture above the number strip that is white in a flash. Nothing else on the card comes near. */
const FLASH_SHARE = 0.85;

/** What a decoded frame of the clip shows. */
export type SeenFrame = {
  /** Seconds on the file's timeline. */
  readonly time: number;
  /** Frame number; undefined when it cannot be read. */
  readonly number: number | undefined;
  readonly flash: boolean;
};

/** Reads a gray picture (one byte per pixel, rows without padding) shown at `time` seconds. */
export function seeFrame(gray: Uint8Array, width: number, height: number, time: number): SeenFrame {
  const pixels = panelTop(height) * width;
  let white = 0;
  for (let i = 0; i < pixels; i++) if ((gray[i] ?? 0) > WHITE_LEVEL) white++;
  return { time, number: readStrip(gray, width, height), flash: white > FLASH_SHARE * pixels };
}

/**
 * Times in seconds at which flashes start. A flash whose first frame was lost is known by the number of its
 * second one. A flash that the first frame is in the middle of and that has no number is left out.
 */
export function flashOnsets(frames: readonly SeenFrame[]): number[] {
  const out: number[] = [];
  let lit: boolean | undefined;
  for (const f of frames) {
    const starts = f.flash && lit !== true;
    const known = f.number !== undefined && isFlash(f.number);
    if (starts && known) out.push(f.time - ((f.number ?? 0) % FPS) / FPS);
    else if (starts && lit === false) out.push(f.time);
    lit = f.flash;
  }
  return out;
}

/** How complete a row of frames is. */
export type Continuity = {
  /** Frames for which the timeline has a hole. */
  readonly missing: number;
  /** Frames with the number of the one before. */
  readonly duplicated: number;
  /** Frames with a number from before the one before. */
  readonly outOfOrder: number;
  /** Frames left out without a hole: the sender cut to a keyframe that somebody asked for. */
  readonly skipped: number;
  /** Frames without a readable number. */
  readonly unreadable: number;
};

/** Compares the numbers and times of frames, in the order of the file, with a loop of `loopFrames` frames. */
export function continuity(frames: readonly SeenFrame[], loopFrames: number): Continuity {
  const c = { missing: 0, duplicated: 0, outOfOrder: 0, skipped: 0, unreadable: 0 };
  let last: { number: number; time: number } | undefined;
  let unreadable = 0;
  for (const { number, time } of frames) {
    if (number === undefined) {
      c.unreadable++;
      unreadable++;
      continue;
    }
    const step = last ? (((number - last.number) % loopFrames) + loopFrames) % loopFrames : 1;
    if (last && step === 0) c.duplicated++;
    else if (step > loopFrames / 2) {
      c.outOfOrder++;
      continue;
    } else if (last && step > 1) {
      const hole = Math.max(0, Math.round((time - last.time) * FPS) - 1);
      const absent = Math.max(0, Math.min(step - 1, hole) - unreadable);
      c.missing += absent;
      c.skipped += Math.max(0, step - 1 - Math.min(step - 1, hole));
    }
    last = { number, time };
    unreadable = 0;
  }
  return c;
}
