import { RoomtapError } from "../../core/fault.ts";
import { runFfmpeg } from "../../ffmpeg/run.ts";
import { StallGuard } from "../../ffmpeg/stall-guard.ts";
import { readStrip } from "./strip.ts";
import type { VerifyOptions } from "./verify.ts";

/** Size that pictures are read at. */
const SEEN = { width: 320, height: 180 } as const;
/** Seconds of the file that are looked at. */
const LOOK_S = 3;
/** Readable pictures that make it certain: numbers carry a checksum. */
const ENOUGH = 5;
const STALL_MS = 30_000;

/** Whether the ground-truth clip is what a file shows, by its first seconds. A file that cannot be read shows nothing. */
export async function showsGroundTruth(path: string, o: VerifyOptions): Promise<boolean> {
  const pictures = new PictureCutter(SEEN.width * SEEN.height);
  const guard = new StallGuard({ stallMs: STALL_MS, signal: o.signal });
  let seen = 0;
  let readable = 0;
  try {
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [{ source: path, options: ["-t", `${LOOK_S}`] }],
        videoFilters: [`scale=${SEEN.width}:${SEEN.height}:flags=area`, "format=gray"],
        options: ["-map", "0:v:0?", "-an", "-f", "rawvideo"],
        output: "stdout",
      },
      onOutput: (bytes) => {
        guard.moves();
        for (const picture of pictures.push(bytes)) {
          seen++;
          if (readStrip(picture, SEEN.width, SEEN.height) !== undefined) readable++;
        }
      },
      signal: guard.signal,
    });
  } catch (error) {
    if (o.signal?.aborted || !(error instanceof RoomtapError)) throw error;
  } finally {
    guard.close();
  }
  return readable >= ENOUGH && readable * 2 >= seen;
}

/** Cuts a stream of octets into pictures of one size. */
class PictureCutter {
  readonly #picture: Uint8Array;
  #filled = 0;

  constructor(size: number) {
    this.#picture = new Uint8Array(size);
  }

  /** Yields the pictures that are whole; each is valid until the next. */
  *push(bytes: Uint8Array): Iterable<Uint8Array> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.#picture.length - this.#filled);
      this.#picture.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < this.#picture.length) return;
      this.#filled = 0;
      yield this.#picture;
    }
  }
}
