import { type FilePatch, MatroskaWriter } from "../../core/containers/matroska/writer.ts";
import type { ProgramFormat, Rendition } from "../program/program.ts";
import type { PushSample } from "./link.ts";

const VIDEO = 1;
const AUDIO = 2;
/** Samples of a frame of AAC. */
const AAC_FRAME = 1024;

/** A Matroska writer for one format, with what it is begun with. */
export function matroskaFor(f: ProgramFormat, r: Rendition | undefined): MatroskaWriter {
  return new MatroskaWriter("matroska", [
    {
      number: VIDEO,
      kind: "video",
      codecId: "V_MPEG4/ISO/AVC",
      codecPrivate: f.video.config,
      width: f.video.width,
      height: f.video.height,
      defaultDurationNs: Math.round(1e9 / (r?.framesPerSecond ?? 30)),
    },
    {
      number: AUDIO,
      kind: "audio",
      codecId: "A_AAC",
      codecPrivate: f.audio.config,
      sampleRate: f.audio.sampleRate,
      channels: f.audio.channels,
    },
  ]);
}

/** What a sample adds to a file. */
export function matroskaBlock(w: MatroskaWriter, s: PushSample, frameMs: number): FilePatch[] {
  const isVideo = s.kind === "video";
  const duration = isVideo ? frameMs : (1000 * AAC_FRAME) / s.format.audio.sampleRate;
  return w.block(isVideo ? VIDEO : AUDIO, Math.round(s.timeMs), Math.round(duration), s.keyframe, s.data);
}

/** What a sample adds to a stream, where nothing that went out can be changed. */
export function matroskaOctets(w: MatroskaWriter, s: PushSample): Uint8Array[] {
  let end = w.length;
  return matroskaBlock(w, s, 0).flatMap((p) => {
    if (p.at !== end) return [];
    end += p.bytes.length;
    return [p.bytes];
  });
}
