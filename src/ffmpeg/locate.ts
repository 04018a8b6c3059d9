import { execFile } from "node:child_process";
import { promisify } from "node:util";
import installer from "@ffmpeg-installer/ffmpeg";
import { RoomtapError } from "../core/fault.ts";

const run = promisify(execFile);
const VERSION_TIMEOUT_MS = 15_000;

/**
 * Finds the ffmpeg to use: the one named, else FFMPEG_PATH, else the system's, else the one that comes with
 * Roomtap. Throws a RoomtapError `ffmpeg-missing` when the named one does not run, or none does.
 */
export async function locateFfmpeg(named?: string): Promise<string> {
  const wanted = named ?? process.env.FFMPEG_PATH;
  if (wanted !== undefined && wanted !== "") {
    if (await ffmpegVersion(wanted)) return wanted;
    throw new RoomtapError("ffmpeg-missing", `${wanted} is not an ffmpeg that runs here`, {
      hint: "check --ffmpeg and FFMPEG_PATH, or leave them out to use the one that comes with roomtap",
    });
  }
  for (const candidate of ["ffmpeg", installer.path]) {
    if (await ffmpegVersion(candidate)) return candidate;
  }
  throw new RoomtapError("ffmpeg-missing", "no ffmpeg runs on this machine", {
    hint: "install it (apt-get install ffmpeg) or name one with --ffmpeg",
  });
}

/** Version text of an ffmpeg; undefined when it does not run or is something else. */
export async function ffmpegVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, ["-hide_banner", "-version"], { timeout: VERSION_TIMEOUT_MS });
    return /^ffmpeg version (\S+)/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
