import { execFileSync } from "node:child_process";

/** Size that pictures are looked at. */
const WIDTH = 160;
const HEIGHT = 90;
const HZ = 48_000;
/** Of full scale: louder than what codecs add to silence. */
const LOUD = 0.08 * 32_768;
/** Silence before a tone, samples. */
const QUIET = HZ / 20;

/** A file that was played to its end: its pictures, small, and its sound. */
export class Look {
  readonly #pictures: Buffer;
  readonly #sound: Int16Array;
  readonly #fps: number;

  /** `fps`: of the file, all its frames at their time. */
  constructor(ffmpeg: string, path: string, fps: number) {
    const read = (...args: string[]) =>
      execFileSync(ffmpeg, ["-nostdin", "-v", "error", "-i", path, ...args, "-"], { maxBuffer: 1e9 });
    const pictures = [`fps=${fps}:start_time=0`, `scale=${WIDTH}:${HEIGHT}:flags=area`].join(",");
    this.#pictures =
      fps > 0 ? read("-vf", pictures, "-an", "-f", "rawvideo", "-pix_fmt", "rgb24") : Buffer.alloc(0);
    const sound = read(
      "-vn",
      "-af",
      "aresample=async=1:first_pts=0",
      "-f",
      "s16le",
      "-ac",
      "1",
      "-ar",
      `${HZ}`,
    );
    this.#sound = new Int16Array(sound.buffer, sound.byteOffset, sound.length >> 1);
    this.#fps = fps;
  }

  /** Pictures in all. */
  get frames(): number {
    return this.#pictures.length / (WIDTH * HEIGHT * 3);
  }

  /** Length of the sound, milliseconds. */
  get soundMs(): number {
    return (1000 * this.#sound.length) / HZ;
  }

  /** Red, green and blue at a place, 0..1 from the upper left corner, at a time. */
  at(ms: number, x: number, y: number): [number, number, number] {
    const frame = Math.floor((ms * this.#fps) / 1000 + 1e-6);
    const at = 3 * ((frame * HEIGHT + Math.round(y * (HEIGHT - 1))) * WIDTH + Math.round(x * (WIDTH - 1)));
    const [r = -1, g = -1, b = -1] = this.#pictures.subarray(at, at + 3);
    return [r, g, b];
  }

  /** When a place turns white, milliseconds. */
  flashes(x: number, y: number): number[] {
    const white = (frame: number) => Math.min(...this.at((frame * 1000) / this.#fps, x, y)) > 180;
    return Array.from({ length: this.frames }, (_, f) => f)
      .filter((f) => f > 0 && white(f) && !white(f - 1))
      .map((f) => (f * 1000) / this.#fps);
  }

  /** When a tone starts after silence, milliseconds. */
  tones(): number[] {
    const out: number[] = [];
    let quiet = QUIET;
    for (const [i, v] of this.#sound.entries()) {
      if (Math.abs(v) < LOUD) quiet++;
      else {
        if (quiet >= QUIET) out.push((1000 * i) / HZ);
        quiet = 0;
      }
    }
    return out;
  }
}
