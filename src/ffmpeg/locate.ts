import { execFile } from "node:child_process";
import { accessSync, chmodSync, constants } from "node:fs";
import { promisify } from "node:util";
import { RoomtapError } from "../core/fault.ts";

const run = promisify(execFile);
const VERSION_TIMEOUT_MS = 15_000;

/** What an ffmpeg says of itself. */
export type FfmpegVersion = {
  /** As it is, for people: builds of the day have no number. */
  readonly text: string;
  /** Version of its libavutil, which every build has and which grows: major, minor, micro. */
  readonly libavutil: readonly [number, number, number];
};

/**
 * Finds the ffmpeg to use: the one named, else FFMPEG_PATH, else the newer of the system's and the one that comes
 * with Roomtap. Throws a RoomtapError `ffmpeg-missing` when the named one does not run, or none does.
 */
export async function locateFfmpeg(named?: string): Promise<string> {
  const wanted = named ?? process.env.FFMPEG_PATH;
  if (wanted !== undefined && wanted !== "") {
    if (await ffmpegVersion(wanted)) return wanted;
    throw new RoomtapError("ffmpeg-missing", `${wanted} is not an ffmpeg that runs here`, {
      hint: "check --ffmpeg and FFMPEG_PATH, or leave them out to use the one that comes with roomtap",
    });
  }
  const bundled = await bundledFfmpeg();
  const [system, own] = await Promise.all([
    ffmpegVersion("ffmpeg"),
    bundled === undefined ? undefined : ffmpegVersion(bundled),
  ]);
  if (system && !(own && isNewer(own, system))) return "ffmpeg";
  if (own && bundled !== undefined) return bundled;
  throw new RoomtapError("ffmpeg-missing", "no ffmpeg runs on this machine", {
    hint: "install it (apt-get install ffmpeg) or name one with --ffmpeg",
  });
}

/** Version of an ffmpeg; undefined when it does not run or is something else. */
export async function ffmpegVersion(path: string): Promise<FfmpegVersion | undefined> {
  try {
    const { stdout } = await run(path, ["-hide_banner", "-version"], { timeout: VERSION_TIMEOUT_MS });
    return parseVersion(stdout);
  } catch {
    return undefined;
  }
}

/** Reads the output of `ffmpeg -version`; undefined when it is something else's. */
export function parseVersion(output: string): FfmpegVersion | undefined {
  const text = /^ffmpeg version (\S+)/m.exec(output)?.[1];
  if (text === undefined) return undefined;
  const lib = /^libavutil\s+(\d+)\.\s*(\d+)\.\s*(\d+)/m.exec(output);
  return { text, libavutil: [Number(lib?.[1] ?? 0), Number(lib?.[2] ?? 0), Number(lib?.[3] ?? 0)] };
}

/** True when `a` is newer than `b`. */
export function isNewer(a: FfmpegVersion, b: FfmpegVersion): boolean {
  const differing = ([0, 1, 2] as const).find((i) => a.libavutil[i] !== b.libavutil[i]);
  return differing !== undefined && a.libavutil[differing] > b.libavutil[differing];
}

/** Path of the ffmpeg that comes with Roomtap; undefined where there is none. */
async function bundledFfmpeg(): Promise<string | undefined> {
  try {
    // Lazily: the package throws while it is loaded where it has no build for the platform.
    const { default: installer } = await import("@ffmpeg-installer/ffmpeg");
    try {
      accessSync(installer.path, constants.X_OK);
    } catch {
      // npm may have been told not to run the install script, which does this.
      chmodSync(installer.path, 0o755);
    }
    return installer.path;
  } catch {
    return undefined;
  }
}
