import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { RoomtapError } from "../core/fault.ts";
import type { Millis } from "../core/time.ts";
import { amount } from "./amounts.ts";

/** Room on a file system, octets. */
export type DiskSpace = {
  /** What we may still write. */
  readonly available: number;
  readonly total: number;
};

/** Asks how much room there is; undefined when that cannot be known. Never rejects. */
export type AskDisk = (directory: string) => Promise<DiskSpace | undefined>;

/** Less than this at the start is worth a line, when it is not known how long the recording will be. */
const LOW = 100e6;
/** Nothing is begun with less than this, or with less than this share of a small disk. */
const TOO_LOW = 16e6;
const TOO_LOW_SHARE = 1 / 8;
/** Sound of one participant beside the video, bit/s. */
const AUDIO_BITRATE = 128_000;
/** Rates are measured over this long, and believed after the shorter time. Milliseconds. */
const WINDOW_MS = 10_000;
const SETTLED_MS = 3000;
/** Less than this ahead at the present rate is worth a line. */
const SHORT_MS = 5 * 60_000;
/** Between two looks at the disk, and from the second to the end of the last file. */
const AHEAD_MS = 2000;
/** Kept free for the end of the session: share of the disk, within these bounds. */
const RESERVE_SHARE = 1 / 512;
const MIN_RESERVE = 128e3;
const MAX_RESERVE = 8e6;
/** Per file: its statistics in journal and manifest, and its cues, which grow with it up to a bound. */
const FILE_RESERVE = 48e3;
const CUES_SHARE = 0.002;
const MAX_CUES = 512e3;

/** Room on the file system of a directory, or of the nearest one above it that exists. */
export async function diskSpace(directory: string): Promise<DiskSpace | undefined> {
  try {
    const { bsize, bavail, blocks } = await statfs(directory);
    // A tmpfs without limit and some network file systems say zero of everything.
    return blocks > 0 ? { available: bsize * bavail, total: bsize * blocks } : undefined;
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    return missing && dirname(directory) !== directory ? diskSpace(dirname(directory)) : undefined;
  }
}

/** What is going to be recorded, as far as it is known. */
export type DiskNeed = {
  /** Ceiling for a video, bit/s. */
  readonly maxBitrate: number;
  readonly durationMs?: number | undefined;
  /** Times that the media lies on disk at the end: 2 where a file is converted, else 1. */
  readonly copies?: number;
};

/**
 * Looks whether a recording can begin. Resolves with a warning, or undefined when all is well or nothing is known.
 * Rejects with a RoomtapError `disk-full` when there is no room to speak of.
 */
export async function checkDisk(
  directory: string,
  need: DiskNeed,
  ask: AskDisk = diskSpace,
): Promise<string | undefined> {
  const space = await ask(directory);
  if (!space) return undefined;
  const { available, total } = space;
  const { durationMs, copies = 1 } = need;
  const estimate =
    durationMs === undefined
      ? undefined
      : (((need.maxBitrate + AUDIO_BITRATE) / 8) * copies * durationMs) / 1000;
  const least = Math.max(
    2 * baseReserve(total),
    Math.min(TOO_LOW, total * TOO_LOW_SHARE, estimate ?? TOO_LOW),
  );
  if (available < least) {
    throw new RoomtapError("disk-full", `only ${amount(available)} are free in ${directory}`, {
      hint: "free space, or choose another directory with --out",
    });
  }
  if (available >= (estimate === undefined ? LOW : estimate + baseReserve(total))) return undefined;
  const wanted =
    estimate === undefined ? "" : `; one participant at --max-bitrate takes ${amount(estimate)} in that time`;
  return `only ${amount(available)} are free in ${directory}${wanted}`;
}

/** The disk in the live status. */
export type DiskStatus = {
  readonly availableBytes: number;
  /** Until the recording has to end for lack of room, at the present rate; absent while that is unknown. */
  readonly headroomMs?: number;
};

/** How the recording stands. */
export type DiskUse = {
  /** Octets written so far. */
  readonly written: number;
  /** Files that are being written. */
  readonly files: number;
  /** Until the recording ends anyhow, milliseconds. */
  readonly endsInMs?: number | undefined;
};

/** Options of a watch. */
export type DiskWatchOptions = {
  readonly directory: string;
  /** Called once, when the room is going to be short. */
  readonly onShort: (text: string) => void;
  /** Called once, while what a session ends with still fits: stop now. */
  readonly onFull: (error: RoomtapError) => void;
  readonly ask?: AskDisk;
};

type Sample = { readonly at: number; readonly available: number; readonly written: number };

/** Watches the room on disk while a session records. Has no timer: whoever reports the status calls `check`. */
export class DiskWatch {
  readonly #o: DiskWatchOptions;
  #samples: Sample[] = [];
  #asking = false;
  #short = false;
  #full = false;
  #status: DiskStatus | undefined;

  constructor(o: DiskWatchOptions) {
    this.#o = o;
  }

  /** What was found last; undefined before that, and where the file system does not tell. */
  get status(): DiskStatus | undefined {
    return this.#status;
  }

  /** Call about once a second. A disk that does not answer is not asked again before it does. */
  async check(now: Millis, use: DiskUse): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const space = await (this.#o.ask ?? diskSpace)(this.#o.directory);
    this.#asking = false;
    if (space) this.#judge(now, space, use);
    else this.#status = undefined;
  }

  #judge(now: Millis, space: DiskSpace, use: DiskUse): void {
    this.#samples.push({ at: now, available: space.available, written: use.written });
    this.#samples = this.#samples.filter((s) => s.at >= now - WINDOW_MS);
    const left = Math.max(0, space.available - finishingReserve(space.total, use));
    const [first, before, last] = [this.#samples[0], this.#samples.at(-2), this.#samples.at(-1)];
    const settled = first !== undefined && now - first.at >= SETTLED_MS;
    // What all on this disk take together, once it is more than a burst of somebody else.
    const rate = settled ? Math.max(written(first, last), taken(first, last)) : 0;
    const headroomMs = rate > 0 ? Math.round(left / rate) : undefined;
    this.#status = { availableBytes: space.available, ...(headroomMs === undefined ? {} : { headroomMs }) };
    if (left <= Math.max(rate, written(before, last)) * AHEAD_MS) this.#end(space.available);
    else if (headroomMs !== undefined && headroomMs < Math.min(SHORT_MS, use.endsInMs ?? SHORT_MS))
      this.#warn(space.available, headroomMs);
  }

  #warn(available: number, headroomMs: number): void {
    if (this.#short) return;
    this.#short = true;
    const time =
      headroomMs < 90_000 ? `${Math.round(headroomMs / 1000)} s` : `${Math.round(headroomMs / 60_000)} min`;
    this.#o.onShort(
      `the disk is full in about ${time} at the present rate (${amount(available)} are free); the recording then ends`,
    );
  }

  #end(available: number): void {
    if (this.#full) return;
    this.#full = true;
    this.#o.onFull(
      new RoomtapError(
        "disk-full",
        `the disk is full but for ${amount(available)}: the recording ends here`,
        {
          hint: "everything up to here is complete; free space, or choose another directory with --out",
        },
      ),
    );
  }
}

/** Octets per millisecond that we wrote from one sample to another. */
function written(from: Sample | undefined, to: Sample | undefined): number {
  return from && to && to.at > from.at ? Math.max(0, to.written - from.written) / (to.at - from.at) : 0;
}

/** Octets per millisecond that went from the disk. */
function taken(from: Sample | undefined, to: Sample | undefined): number {
  return from && to && to.at > from.at ? Math.max(0, from.available - to.available) / (to.at - from.at) : 0;
}

function baseReserve(total: number): number {
  return Math.min(MAX_RESERVE, Math.max(MIN_RESERVE, total * RESERVE_SHARE));
}

/** What the end of a session writes: cues, the last lines of the journal, the manifest beside the one before. */
function finishingReserve(total: number, use: DiskUse): number {
  const cues = Math.min(use.files * MAX_CUES, use.written * CUES_SHARE);
  return baseReserve(total) + use.files * FILE_RESERVE + cues;
}
