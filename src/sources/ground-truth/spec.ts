import { RoomtapError } from "../../core/fault.ts";

/**
 * The ground-truth clip: 10 seconds in which sound and picture are known to the sample. Once a second, at
 * whole seconds, the picture flashes white and a tone starts; every frame carries its number.
 */

/** Part of the cache key: grows with every change to what the clip shows or how it is encoded. */
export const SPEC_VERSION = 1;

/** Frames per second. */
export const FPS = 30;
/** Seconds of one pass. */
export const LOOP_SECONDS = 10;
/** Frames of one pass; they are numbered from 0. */
export const LOOP_FRAMES: number = FPS * LOOP_SECONDS;
/** Length of a flash in frames. */
export const FLASH_FRAMES = 2;

/** Audio samples per second and channel. */
export const SAMPLE_RATE = 48_000;
/** Channels; both carry the same. */
export const CHANNELS = 2;
/** Pitch of the tone. Its period is a whole number of samples. */
export const TONE_HZ = 1000;
/** Length of the tone, a whole number of periods: it starts and ends without a click. */
export const TONE_MS = 40;
/** Peak of the tone, of full scale. */
export const TONE_PEAK = 0.5;

/** Picture size in pixels. */
export type ClipSize = { readonly width: number; readonly height: number };

/** Size that the layout is drawn in; other sizes are this one scaled. */
export const DESIGN: ClipSize = { width: 1280, height: 720 };

/** Errors: usage unless the size is even, 16:9 and between 320x180 and 1920x1080. */
export function checkSize({ width, height }: ClipSize): void {
  const even = width % 2 === 0 && height % 2 === 0;
  if (even && width >= 320 && width <= 1920 && Math.abs(width * 9 - height * 16) <= 16) return;
  throw new RoomtapError("usage", `the test clip cannot be ${width}x${height}`, {
    hint: "it is 16:9 with even sides, from 320x180 to 1920x1080",
  });
}

/** True when frame `n` is white. */
export function isFlash(n: number): boolean {
  return n % FPS < FLASH_FRAMES;
}

/** Interleaved 16-bit PCM of the clip's sound from its start; it goes on over the end of a pass without a seam. */
export function tonePcm(frames: number): Int16Array {
  const out = new Int16Array(frames * CHANNELS);
  const toneSamples = (TONE_MS * SAMPLE_RATE) / 1000;
  for (let i = 0; i < frames; i++) {
    const at = i % SAMPLE_RATE;
    if (at >= toneSamples) continue;
    out.fill(
      Math.round(TONE_PEAK * 32767 * Math.sin((2 * Math.PI * TONE_HZ * at) / SAMPLE_RATE)),
      i * CHANNELS,
      (i + 1) * CHANNELS,
    );
  }
  return out;
}
