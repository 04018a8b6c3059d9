import { RoomtapError } from "../core/fault.ts";
import { type CrcRow, FrameCrcReader } from "./framecrc.ts";
import { LineReader } from "./lines.ts";
import { runFfmpeg } from "./run.ts";
import { StallGuard } from "./stall-guard.ts";

/** An ffmpeg that says nothing for this long hangs. */
const STALL_MS = 30_000;

/** How to read a file through. */
export type ListOptions = {
  readonly ffmpeg: string;
  readonly signal?: AbortSignal | undefined;
  /** Options of the input: `-f` for a file that must be nothing else. */
  readonly input?: readonly string[];
  /** Milliseconds without a frame after which ffmpeg is ended; default 30 000. */
  readonly stallMs?: number;
  /** How far it is, milliseconds on the file's timeline. */
  readonly onProgress?: (atMs: number) => void;
};

/** What to list of a file. */
export type Listing = ListOptions & {
  /** Output options that make frames or packets of it. */
  readonly how: readonly string[];
  readonly onRow: (row: CrcRow) => void;
  readonly onLog: (line: string) => void;
};

/**
 * Lists the packets or decoded frames of a file's pictures and sound, in one pass and without keeping them.
 * Rejects with a RoomtapError `incomplete` when ffmpeg cannot read the file at all, or hangs in it.
 */
export async function listFrames(path: string, o: Listing): Promise<FrameCrcReader> {
  const lines = new LineReader();
  const reader = new FrameCrcReader();
  const stallMs = o.stallMs ?? STALL_MS;
  const guard = new StallGuard({ stallMs, signal: o.signal });
  try {
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [{ source: path, options: [...(o.input ?? []), "-copyts"] }],
        options: ["-map", "0:v?", "-map", "0:a?", ...o.how, "-f", "framecrc"],
        output: "stdout",
      },
      onOutput: (bytes) => {
        guard.moves();
        let last: CrcRow | undefined;
        for (const line of lines.push(Buffer.from(bytes).toString("latin1"))) {
          const row = reader.push(line);
          if (row) o.onRow(row);
          last = row ?? last;
        }
        if (last) o.onProgress?.(last.ptsMs);
      },
      onLog: o.onLog,
      signal: guard.signal,
    });
  } catch (cause) {
    if (o.signal?.aborted) throw cause;
    const reason = guard.stalled ? new Error(`it stood still for ${stallMs / 1000} s and was ended`) : cause;
    throw new RoomtapError("incomplete", `${path} cannot be decoded`, { cause: reason });
  } finally {
    guard.close();
  }
  return reader;
}
