import { parseAudioSpecificConfig } from "../../core/codecs/aac.ts";
import { parseAvcDecoderConfig } from "../../core/codecs/h264-avcc.ts";
import type { FilePatch } from "../../core/containers/matroska/writer.ts";
import { cmafFragment, cmafHeader, type Mp4Sample } from "../../core/containers/mp4/cmaf.ts";
import { TsWriter } from "../../core/containers/mpegts/writer.ts";
import { type ProgramFormat, type Rendition, VIDEO_CLOCK } from "../program/program.ts";
import type { PushSample } from "./link.ts";
import { matroskaBlock, matroskaFor } from "./matroska.ts";

/** Containers of files, by their extensions. */
export const fileContainers = ["mp4", "mkv", "ts"] as const;

/** One of them. */
export type FileContainer = (typeof fileContainers)[number];

/** Makes the octets of a file, so that what is there can be played at any time. */
export interface FileMuxer {
  /** The beginning. */
  header(): FilePatch[];
  add(s: PushSample): FilePatch[];
  /** The end: the file is whole with it. */
  finish(): FilePatch[];
}

/** A muxer for a file of one format. */
export function fileMuxer(container: FileContainer, f: ProgramFormat, r: Rendition): FileMuxer {
  const frameMs = 1000 / r.framesPerSecond;
  if (container === "mp4") return new Mp4File(f, frameMs);
  if (container === "ts") return new TsFile(f, frameMs);
  const writer = matroskaFor(f, r);
  return {
    header: () => [writer.header()],
    add: (s) => matroskaBlock(writer, s, frameMs),
    finish: () => writer.finish(),
  };
}

/** What a kill costs. */
const FRAGMENT_MS = 1000;
/** Samples of a frame of AAC. */
const AAC_FRAME = 1024;

/** A sample in ticks of its track. */
function ticks(s: PushSample, frameMs: number): Mp4Sample {
  const isVideo = s.kind === "video";
  const clock = isVideo ? VIDEO_CLOCK : s.format.audio.sampleRate;
  return {
    data: s.data,
    time: Math.round((s.timeMs * clock) / 1000),
    duration: isVideo ? Math.round((frameMs * clock) / 1000) : AAC_FRAME,
    keyframe: s.keyframe,
  };
}

/** Appends to a file. */
class Appender {
  #length = 0;

  patches(parts: readonly Uint8Array[]): FilePatch[] {
    return parts.map((bytes) => {
      const at = this.#length;
      this.#length += bytes.length;
      return { at, bytes };
    });
  }
}

/** Fragmented MP4: a fragment from every keyframe to the next, or of a second. */
class Mp4File implements FileMuxer {
  readonly #format: ProgramFormat;
  readonly #frameMs: number;
  readonly #file = new Appender();
  #video: Mp4Sample[] = [];
  #audio: Mp4Sample[] = [];
  #sequence = 1;
  #fromMs = 0;

  constructor(f: ProgramFormat, frameMs: number) {
    this.#format = f;
    this.#frameMs = frameMs;
  }

  header(): FilePatch[] {
    return this.#file.patches([cmafHeader(this.#format.video, this.#format.audio)]);
  }

  add(s: PushSample): FilePatch[] {
    const isVideo = s.kind === "video";
    const due = (isVideo && s.keyframe) || s.timeMs - this.#fromMs >= FRAGMENT_MS;
    const sample = ticks(s, this.#frameMs);
    const out = due ? this.#fragment(isVideo ? sample.time : undefined) : [];
    if (due) this.#fromMs = s.timeMs;
    (isVideo ? this.#video : this.#audio).push(sample);
    return out;
  }

  finish(): FilePatch[] {
    return this.#fragment(undefined);
  }

  /** `videoEnd`: when the next picture comes, which the last one is shown until. */
  #fragment(videoEnd: number | undefined): FilePatch[] {
    const video = this.#video;
    const audio = this.#audio;
    const last = video.at(-1);
    if (last && videoEnd !== undefined) video[video.length - 1] = { ...last, duration: videoEnd - last.time };
    this.#video = [];
    this.#audio = [];
    if (video.length + audio.length === 0) return [];
    return this.#file.patches(cmafFragment(this.#sequence++, video, audio));
  }
}

/** A transport stream: tables before every keyframe, the sound of the time between two pictures in one packet. */
class TsFile implements FileMuxer {
  readonly #writer: TsWriter;
  readonly #frameMs: number;
  readonly #file = new Appender();
  #audio: Mp4Sample[] = [];

  constructor(f: ProgramFormat, frameMs: number) {
    const sets = parseAvcDecoderConfig(f.video.config);
    const audio = parseAudioSpecificConfig(f.audio.config);
    this.#frameMs = frameMs;
    this.#writer = new TsWriter({
      video: { parameterSets: [...(sets?.sps ?? []), ...(sets?.pps ?? [])] },
      ...(audio ? { audio } : {}),
    });
  }

  header(): FilePatch[] {
    return [];
  }

  add(s: PushSample): FilePatch[] {
    const sample = ticks(s, this.#frameMs);
    if (s.kind === "audio") {
      this.#audio.push(sample);
      return [];
    }
    const tables = s.keyframe ? [this.#writer.tables()] : [];
    return [...this.finish(), ...this.#file.patches([...tables, this.#writer.video(sample)])];
  }

  finish(): FilePatch[] {
    const sound = this.#writer.audio(this.#audio);
    this.#audio = [];
    return sound.length > 0 ? this.#file.patches([sound]) : [];
  }
}
