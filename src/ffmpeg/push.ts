import { RoomtapError } from "../core/fault.ts";
import type { Capabilities } from "./capabilities.ts";
import type { CommandSpec } from "./command.ts";

/** Ways out that ffmpeg carries a program. */
export type PushProtocol = "srt" | "rtsp";

const muxers: Readonly<Record<PushProtocol, string>> = { srt: "mpegts", rtsp: "rtsp" };
/** Protocols that each needs: RTSP is a muxer of its own over TCP. */
const protocols: Readonly<Record<PushProtocol, string>> = { srt: "srt", rtsp: "tcp" };

/**
 * The command that reads Matroska and carries it to `address` as it is. `secrets`: the name of a file that ffmpeg reads
 * options from, which nobody is to see on a command line.
 */
export function pushCommand(protocol: PushProtocol, address: string, secrets?: string): CommandSpec {
  const to = {
    // Tables before every keyframe: whoever comes later, or lost something, knows what it gets.
    srt: ["-mpegts_flags", "+pat_pmt_at_frames", "-muxdelay", "0", "-muxpreload", "0"],
    rtsp: ["-rtsp_transport", "tcp"],
  }[protocol];
  return {
    inputs: [
      {
        source: "stdin",
        // All that is to be known of it stands in its header.
        options: ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-f", "matroska"],
      },
    ],
    options: [
      ...["-map", "0:v:0", "-map", "0:a:0", "-c", "copy"],
      // Sound that is missing for a while must not hold the pictures.
      ...["-max_interleave_delta", "500000", "-flush_packets", "1"],
      ...to,
      ...(secrets === undefined ? [] : ["-fpre", secrets]),
      ...["-f", muxers[protocol]],
    ],
    output: address,
  };
}

/** Throws a RoomtapError `ffmpeg-missing` when this ffmpeg cannot carry a program that way. */
export function requirePush(protocol: PushProtocol, c: Capabilities): void {
  const lacking = [
    ...(c.protocols.has(protocols[protocol]) ? [] : [`protocol ${protocols[protocol]}`]),
    ...(c.muxers.has(muxers[protocol]) ? [] : [`format ${muxers[protocol]}`]),
  ];
  if (lacking.length === 0) return;
  throw new RoomtapError(
    "ffmpeg-missing",
    `--${protocol} needs an ffmpeg with the ${lacking.join(" and the ")}, which ffmpeg ${c.version} lacks`,
    { hint: "install the system's (apt-get install ffmpeg), or name one that has it with --ffmpeg" },
  );
}
