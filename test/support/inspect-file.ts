import { execFile } from "node:child_process";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { ffmpegCapabilities } from "../../src/ffmpeg/capabilities.ts";
import { locateFfmpeg } from "../../src/ffmpeg/locate.ts";

const run = promisify(execFile);
const MAX_OUTPUT = 64 * 1024 * 1024;

/** One track as ffmpeg sees it. Times in milliseconds on the file's timeline. */
export type InspectedTrack = {
  readonly codec: string;
  /** Times of the packets in the file, in file order. */
  readonly times: readonly number[];
  /** Decoded pictures, or decoded samples per channel. */
  readonly decoded: number;
  /** Where the decoded media ends. */
  readonly endMs: number;
  /** Decoded media, without the holes in it. */
  readonly durationMs: number;
  /** Longest time from one packet to the next. */
  readonly longestGapMs: number;
};

/** What a file holds, found out by reading and decoding all of it. */
export type InspectedFile = {
  readonly video: InspectedTrack | undefined;
  readonly audio: InspectedTrack | undefined;
  /** Everything that ffmpeg complained of while decoding. */
  readonly errors: readonly string[];
};

/** Decodes a whole file. Rejects when ffmpeg cannot open it. */
export async function inspectFile(path: string): Promise<InspectedFile> {
  const ffmpeg = await locateFfmpeg();
  const { fpsMode } = await ffmpegCapabilities(ffmpeg);
  const passthrough = [fpsMode ? "-fps_mode" : "-vsync", "passthrough", "-enc_time_base:v", "1:1000"];
  const list = (how: readonly string[]) =>
    run(
      ffmpeg,
      ["-v", "error", "-copyts", "-i", path, "-map", "0:v?", "-map", "0:a?", ...how, "-f", "framecrc", "-"],
      { maxBuffer: MAX_OUTPUT },
    );
  const [packets, decoded] = [await list(["-c", "copy"]), await list(passthrough)];
  const errors = `${packets.stderr}\n${decoded.stderr}`.split("\n").filter((line) => line.trim() !== "");
  return {
    video: track("video", packets.stdout, decoded.stdout),
    audio: track("audio", packets.stdout, decoded.stdout),
    errors,
  };
}

/** Types of the boxes at the top of an MP4 file, in file order. */
export function topLevelBoxes(path: string): string[] {
  const { size } = statSync(path);
  const fd = openSync(path, "r");
  const head = Buffer.alloc(16);
  const boxes: string[] = [];
  try {
    for (let at = 0; at + 8 <= size; ) {
      readSync(fd, head, 0, 16, at);
      const short = head.readUInt32BE(0);
      const length = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? size - at : short;
      boxes.push(head.toString("latin1", 4, 8));
      if (length < 8) break;
      at += length;
    }
  } finally {
    closeSync(fd);
  }
  return boxes;
}

type Listed = { codec: string; rows: { time: number; duration: number; raw: number }[] };

function track(kind: "video" | "audio", packets: string, decoded: string): InspectedTrack | undefined {
  const stored = listed(kind, packets);
  const out = listed(kind, decoded);
  if (!stored || !out) return undefined;
  const times = stored.rows.map((r) => r.time);
  const last = out.rows.at(-1);
  return {
    codec: stored.codec,
    times,
    decoded: kind === "video" ? out.rows.length : out.rows.reduce((n, r) => n + r.raw, 0),
    endMs: last ? last.time + last.duration : 0,
    durationMs: out.rows.reduce((ms, r) => ms + r.duration, 0),
    longestGapMs: longestGap(times),
  };
}

/** Longest step of a list of times, from `from` on. */
export function longestGap(times: readonly number[], from = Number.NEGATIVE_INFINITY): number {
  const sorted = times.filter((t) => t >= from).sort((a, b) => a - b);
  return sorted.reduce((longest, t, i) => Math.max(longest, i === 0 ? 0 : t - (sorted[i - 1] ?? t)), 0);
}

/** The first track of a kind in the output of ffmpeg's framecrc muxer. */
function listed(kind: "video" | "audio", text: string): Listed | undefined {
  const stream = new RegExp(`^#media_type (\\d+): ${kind}$`, "m").exec(text)?.[1];
  if (stream === undefined) return undefined;
  const head = (name: string) => new RegExp(`^#${name} ${stream}: (.+)$`, "m").exec(text)?.[1] ?? "";
  const [num = 1, den = 1] = head("tb").split("/").map(Number);
  const rows: Listed["rows"] = [];
  for (const line of text.split("\n")) {
    const [index, , pts, duration] = line.split(",").map((field) => field.trim());
    if (line.startsWith("#") || index !== stream) continue;
    const ms = (1000 * num) / den;
    rows.push({ time: Number(pts) * ms, duration: Number(duration) * ms, raw: Number(duration) });
  }
  return { codec: head("codec_id"), rows };
}
