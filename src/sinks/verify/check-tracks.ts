import type { PacketCheck, PacketTrack } from "../../ffmpeg/packet-check.ts";
import type { FileTrack } from "../recorder/journal.ts";
import type { Layout } from "./layout.ts";
import type { Finding } from "./report.ts";

/** Codecs by the names that ffmpeg gives to what stands in our files. */
const written: Readonly<Record<string, readonly FileTrack["codec"][]>> = {
  opus: ["opus", "multiopus"],
  hevc: ["h265"],
  pcm_s16le: ["pcmu", "pcma"],
  adpcm_g722: ["g722"],
};

/** Frames that a file may have fewer than the manifest counts: containers drop what lies over an edge. */
const MISSING_FRAMES = 3;

/** Holds the tracks of a file against what the manifest says of them. */
export function trackFindings(
  expected: readonly FileTrack[],
  packets: PacketCheck,
  layout: Layout,
): Omit<Finding, "path">[] {
  return (["video", "audio"] as const).flatMap((kind) => {
    const wanted = expected.filter((t) => t.kind === kind);
    const found = packets.tracks.filter((t) => t.kind === kind);
    const differs = (message: string) => [{ code: "track-differs" as const, message }];
    if (wanted.length !== found.length)
      return differs(`it has ${found.length} ${kind} tracks, not ${wanted.length}`);
    return wanted.flatMap((want, i) => {
      const track = found[i];
      const size = sizeOf(kind === "video" ? layout.video?.[i] : undefined) ?? sizeOf(track);
      if (track && !isWritten(want.codec, track))
        return differs(`the ${kind} is ${track.codec}, not ${want.codec}`);
      if (want.width !== undefined && size !== sizeOf(want))
        return differs(`the picture is ${size ?? "of no size"}, not ${sizeOf(want)}`);
      if (track && track.packets < want.frames - Math.max(MISSING_FRAMES, want.frames / 100))
        return differs(`the ${kind} has ${track.packets} frames, not ${want.frames}`);
      return [];
    });
  });
}

/** Tracks in words. */
export function tracksInWords(packets: PacketCheck, layout: Layout): string {
  let video = 0;
  const words = packets.tracks.map((t) => {
    const size = t.kind === "video" ? (sizeOf(layout.video?.[video++]) ?? sizeOf(t)) : undefined;
    return size === undefined ? t.codec : `${t.codec} ${size}`;
  });
  return words.join(" + ") || "none";
}

function isWritten(codec: FileTrack["codec"], track: PacketTrack): boolean {
  return (written[track.codec] ?? [track.codec]).some((c) => c === codec);
}

function sizeOf(t: { readonly width?: number; readonly height?: number } | undefined): string | undefined {
  return t?.width === undefined || t.height === undefined ? undefined : `${t.width}x${t.height}`;
}
