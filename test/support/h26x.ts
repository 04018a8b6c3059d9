import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinAnnexB, splitAnnexB } from "../../src/core/codecs/annex-b.ts";
import { findProgram, type Program } from "./requires.ts";

/** A codec that H.264 and H.265 tests are written for. */
export type H26x = "h264" | "h265";

/** An ffmpeg that encodes both. */
export const encoder: Program = {
  name: "ffmpeg with libx264 and libx265",
  path: [findProgram("ffmpeg"), findProgram("/usr/bin/ffmpeg")].find((path) => path && encodesBoth(path)),
  install: "apt install ffmpeg",
};

function encodesBoth(path: string): boolean {
  const list = execFileSync(path, ["-hide_banner", "-encoders"], { encoding: "utf8" });
  return list.includes(" libx264 ") && list.includes(" libx265 ");
}

/** Runs the encoder's ffmpeg; throws what it says when it fails. */
export function ffmpeg(args: readonly string[]): void {
  execFileSync(encoder.path ?? "ffmpeg", ["-nostdin", "-v", "error", "-y", ...args], { stdio: "pipe" });
}

/** Pictures of a test card in one size. */
export type Clip = { readonly size: string; readonly frames: number };

/** Encodes clips, one behind the other, without B-frames, as `file` says by its ending: an Annex B stream or MP4. */
export function encodeClip(codec: H26x, clip: Clip, params: string, file: string): void {
  const common = codec === "h264" ? "bframes=0" : "bframes=0:log-level=error";
  const [name, option] = codec === "h264" ? ["libx264", "-x264-params"] : ["libx265", "-x265-params"];
  const format = file.endsWith(".mp4") ? "mp4" : codec === "h264" ? "h264" : "hevc";
  ffmpeg([
    ...["-f", "lavfi", "-i", `testsrc2=size=${clip.size}:rate=25`, "-frames:v", String(clip.frames)],
    ...["-pix_fmt", "yuv420p", "-c:v", name, "-preset", "veryfast", option, `${common}:${params}`],
    ...["-f", format, file],
  ]);
}

/** A directory for files of one test file, and its removal. */
export function workDirectory(): { path: (name: string) => string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "roomtap-h26x-"));
  return {
    path: (name) => join(directory, name),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Access units of an Annex B file, as a receiver should see them: without delimiters and filler. */
export function accessUnits(codec: H26x, file: string): Uint8Array[] {
  const units: Uint8Array[][] = [];
  let open: Uint8Array[] = [];
  let pictured = false;
  for (const nal of splitAnnexB(new Uint8Array(readFileSync(file)))) {
    const type = typeOf(codec, nal);
    const picture = codec === "h264" ? type >= 1 && type <= 5 : type < 32;
    const firstSlice = picture && ((nal[codec === "h264" ? 1 : 2] ?? 0) & 0x80) !== 0;
    // A suffix SEI (H.265 type 40) belongs to the picture before it.
    const begins = firstSlice || (!picture && type !== 40);
    if (pictured && begins) {
      units.push(open);
      open = [];
      pictured = false;
    }
    pictured ||= picture;
    if (!isDropped(codec, type)) open.push(nal);
  }
  units.push(open);
  return units.map((nals) => joinAnnexB(nals));
}

/** Types of the NAL units of an access unit. */
export function typesOf(codec: H26x, unit: Uint8Array): number[] {
  return splitAnnexB(unit).map((nal) => typeOf(codec, nal));
}

function typeOf(codec: H26x, nal: Uint8Array): number {
  return codec === "h264" ? (nal[0] ?? 0) & 31 : ((nal[0] ?? 0) >> 1) & 63;
}

function isDropped(codec: H26x, type: number): boolean {
  return codec === "h264" ? type === 9 || type === 12 : type === 35 || type === 38;
}
