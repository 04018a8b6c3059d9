import { equalBytes } from "../../core/bytes.ts";
import { av1DecoderConfig, av1SequenceHeaderOf } from "../../core/codecs/av1-config.ts";
import { avcDecoderConfig, parameterSetsOf } from "../../core/codecs/h264-avcc.ts";
import { h265ParameterSetsOf, hevcDecoderConfig } from "../../core/codecs/h265-hvcc.ts";
import { annexBToLengths } from "../../core/codecs/nal-lengths.ts";
import { opusHead } from "../../core/codecs/opus-packet.ts";
import type { MatroskaTrack } from "../../core/containers/matroska/track.ts";
import type { CodecName, Frame } from "../../core/frame.ts";

/** Thirty frames a second: only a hint to readers, the blocks carry the real times. */
export const DEFAULT_FRAME_NS = 33_333_333;
const OPUS_PREROLL_NS = 80_000_000;

/** How a codec stands in Matroska (Matroska codec specifications, RFC 9559 section 5.1.4). */
type MatroskaCodec = {
  readonly codecId: string;
  /** CodecPrivate, from the track's first frame where it depends on it. */
  readonly codecPrivate?: (first: Frame | undefined) => Uint8Array | undefined;
  /** Block data of a frame; absent: the frame as it is. */
  readonly block?: (data: Uint8Array) => Uint8Array;
  /** True when a keyframe cannot continue a file that began with another; absent: it always can. */
  readonly splits?: (first: Frame, next: Frame) => boolean;
  /** Audio codecs only. */
  readonly audio?: {
    readonly sampleRate: number;
    readonly channels: number;
    readonly bitDepth?: number;
    readonly seekPreRollNs?: number;
  };
};

/** Codecs that can be written. */
const table: Partial<Record<CodecName, MatroskaCodec>> = {
  opus: {
    codecId: "A_OPUS",
    codecPrivate: () => opusHead({ channels: 2 }),
    // Two channels whatever the packets hold: a decoder makes two of one, and senders switch at will.
    audio: { sampleRate: 48_000, channels: 2, seekPreRollNs: OPUS_PREROLL_NS },
  },
  vp8: { codecId: "V_VP8" },
  h264: {
    codecId: "V_MPEG4/ISO/AVC",
    codecPrivate: (first) => {
      const sets = first && parameterSetsOf(first.data);
      return sets && avcDecoderConfig(sets.sps, sets.pps);
    },
    block: annexBToLengths,
  },
  h265: {
    codecId: "V_MPEGH/ISO/HEVC",
    codecPrivate: (first) => {
      const sets = first && h265ParameterSetsOf(first.data);
      return sets && hevcDecoderConfig(sets);
    },
    block: annexBToLengths,
  },
  vp9: { codecId: "V_VP9" },
  av1: {
    codecId: "V_AV1",
    codecPrivate: (first) => {
      const sequence = first && av1SequenceHeaderOf(first.data);
      return sequence && av1DecoderConfig(sequence);
    },
    // Matroska codec mapping of AV1: one sequence header for all blocks, and one picture size.
    splits: (first, next) => {
      const [a, b] = [av1SequenceHeaderOf(first.data), av1SequenceHeaderOf(next.data)];
      return a === undefined || b === undefined || !equalBytes(a, b);
    },
  },
};

/** The track entry for a codec whose first frame is `first`. Codecs without an entry in the table are a bug. */
export function matroskaTrack(number: number, codec: CodecName, first: Frame | undefined): MatroskaTrack {
  const c = table[codec];
  if (!c) throw new TypeError(`${codec} has no place in Matroska`);
  const config = c.codecPrivate?.(first);
  const common = { number, codecId: c.codecId, ...(config ? { codecPrivate: config } : {}) };
  if (c.audio) return { ...common, kind: "audio", ...c.audio };
  return {
    ...common,
    kind: "video",
    width: first?.width ?? 0,
    height: first?.height ?? 0,
    defaultDurationNs: DEFAULT_FRAME_NS,
    ...(first?.rotation ? { rotation: first.rotation } : {}),
  };
}

/** What stands in the block of a frame. */
export function matroskaBlock(frame: Frame): Uint8Array {
  return table[frame.codec]?.block?.(frame.data) ?? frame.data;
}

/** True when the keyframe `next` cannot stand in a file whose track began with the keyframe `first`. */
export function splitsFile(first: Frame, next: Frame): boolean {
  return table[first.codec]?.splits?.(first, next) ?? false;
}

/** The codec of a track that we wrote; undefined: not one of ours. */
export function codecOfMatroska(track: MatroskaTrack): CodecName | undefined {
  for (const [name, c] of Object.entries(table)) if (c.codecId === track.codecId) return name as CodecName;
  return undefined;
}
