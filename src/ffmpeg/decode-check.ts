import type { MediaKind } from "../core/frame.ts";
import { ffmpegCapabilities } from "./capabilities.ts";
import { type ListOptions, listFrames } from "./list-frames.ts";

/** Errors that are kept to be shown; all are counted. */
const MAX_ERRORS = 20;

/** What came out of one track. */
export type DecodedTrack = {
  readonly kind: MediaKind;
  /** Pictures, or packets of sound that were decoded. */
  readonly frames: number;
  /** Where the last of them starts, milliseconds on the file's timeline. */
  readonly lastMs: number;
};

/** What decoding a whole file showed. */
export type DecodeCheck = {
  readonly tracks: readonly DecodedTrack[];
  /** How often the decoders complained. */
  readonly errors: number;
  /** The first complaints. */
  readonly messages: readonly string[];
};

/**
 * Decodes everything in a file and counts. Memory does not grow with the file. Rejects with a RoomtapError
 * `incomplete` when ffmpeg cannot read it at all, or hangs.
 */
export async function decodeCheck(path: string, o: ListOptions): Promise<DecodeCheck> {
  const { fpsMode } = await ffmpegCapabilities(o.ffmpeg);
  const counts = new Map<number, { frames: number; lastMs: number }>();
  const messages: string[] = [];
  let errors = 0;
  const { streams } = await listFrames(path, {
    ...o,
    // Without a time base, times are rounded to the nominal frame rate.
    how: [fpsMode ? "-fps_mode" : "-vsync", "passthrough", "-enc_time_base:v", "1:1000"],
    onRow: ({ index, ptsMs }) => {
      const { frames = 0, lastMs = 0 } = counts.get(index) ?? {};
      counts.set(index, { frames: frames + 1, lastMs: Math.max(lastMs, ptsMs) });
    },
    onLog: (line) => {
      if (!/\[(error|fatal|panic)\]/.test(line)) return;
      errors++;
      if (messages.length < MAX_ERRORS) messages.push(line);
    },
  });
  const tracks = [...streams].map(([i, { kind }]) => ({
    kind,
    ...(counts.get(i) ?? { frames: 0, lastMs: 0 }),
  }));
  return { tracks, errors, messages };
}
