import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";

const run = promisify(execFile);

/** A file of ten seconds with a test picture of a size and a tone, for `roomtap publish --media`. Returns its path. */
export async function encodeWith(folder: string, name: string, size: string): Promise<string> {
  const path = join(folder, name);
  await run(await locateFfmpeg(), [
    ...[
      "-v",
      "error",
      "-f",
      "lavfi",
      "-i",
      `testsrc2=s=${size}:r=30`,
      "-f",
      "lavfi",
      "-i",
      "sine=f=330:r=48000",
    ],
    ...["-t", "10", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", path],
  ]);
  return path;
}
