import { statSync } from "node:fs";
import { RoomtapError } from "../core/fault.ts";
import type { MediaKind } from "../core/frame.ts";

/** A track of a media file. */
export type ProbedTrack = {
  readonly kind: MediaKind;
  /** "vp8", "h264", "opus", "aac", ... */
  readonly codec: ProbedCodec;
  /** Packets in the container: frames of video, packets of audio. */
  readonly frames: number;
  readonly durationMs: number;
  readonly width?: number;
  readonly height?: number;
};

/** Codecs that our own files hold. */
export type ProbedCodec = "opus" | "aac" | "vp8" | "vp9" | "av1" | "h264" | "h265";

/** A media file as it is on disk. */
export type ProbedFile = {
  /** Name of the container: "MP4", "WebM", "Matroska", "Ogg", ... */
  readonly container: string;
  readonly durationMs: number;
  readonly bytes: number;
  readonly tracks: readonly ProbedTrack[];
};

/** Reads a finished file back, packet by packet. Rejects with a RoomtapError `incomplete` when it cannot be read. */
export async function probeFile(path: string): Promise<ProbedFile> {
  const { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } = await import("mediabunny");
  const input = new Input({ formats: ALL_FORMATS, source: new FilePathSource(path) });
  try {
    const tracks: ProbedTrack[] = [];
    for (const track of await input.getTracks()) {
      const { codec } = track;
      const known = knownCodec(codec);
      if (!known) continue;
      const sink = new EncodedPacketSink(track);
      let frames = 0;
      let end = 0;
      for await (const p of sink.packets(undefined, undefined, { metadataOnly: true })) {
        frames++;
        end = Math.max(end, p.timestamp + p.duration);
      }
      const common = { codec: known, frames, durationMs: end * 1000 };
      if (track.isVideoTrack())
        tracks.push({ kind: "video", ...common, width: track.codedWidth, height: track.codedHeight });
      else tracks.push({ kind: "audio", ...common });
    }
    const durationMs = Math.max(0, ...tracks.map((t) => t.durationMs));
    const container = (await input.getFormat()).name;
    return { container, durationMs, bytes: statSync(path).size, tracks };
  } catch (cause) {
    throw new RoomtapError("incomplete", `${path} cannot be read back`, { cause });
  } finally {
    input.dispose();
  }
}

const names: Readonly<Record<string, ProbedCodec>> = {
  avc: "h264",
  hevc: "h265",
  vp8: "vp8",
  vp9: "vp9",
  av1: "av1",
  opus: "opus",
  aac: "aac",
};

function knownCodec(codec: string | null): ProbedCodec | undefined {
  return codec === null ? undefined : names[codec];
}
