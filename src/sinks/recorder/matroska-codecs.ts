import { equalBytes } from "../../core/bytes.ts";
import { av1DecoderConfig, av1SequenceHeaderOf } from "../../core/codecs/av1-config.ts";
import { decodeG711 } from "../../core/codecs/g711.ts";
import { avcDecoderConfig, parameterSetsOf } from "../../core/codecs/h264-avcc.ts";
import { h265ParameterSetsOf, hevcDecoderConfig } from "../../core/codecs/h265-hvcc.ts";
import { annexBToLengths } from "../../core/codecs/nal-lengths.ts";
import { OPUS_SILENCE, opusHead } from "../../core/codecs/opus-packet.ts";
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
  /** Block data of 20 ms of silence; audio codecs only. */
  readonly silence?: Uint8Array;
};

/** 20 ms at 8 kHz, decoded. */
const PCM_SILENCE = new Uint8Array(320);
/** 20 ms of G.722: the code that keeps both of its bands where they are. */
const G722_SILENCE = new Uint8Array(160).fill(0xff);
const WAVE_FORMAT_G722 = 0x028f;

/** G.711 stands in files as it sounds: many players lack the decoder, and 16 bits lose nothing. */
const g711 = (law: "pcmu" | "pcma"): MatroskaCodec => ({
  codecId: "A_PCM/INT/LIT",
  block: (data) => decodeG711(law, data),
  audio: { sampleRate: 8000, channels: 1, bitDepth: 16 },
  silence: PCM_SILENCE,
});

/** WAVEFORMATEX of sound at 64 kbit/s and 16 kHz. */
function g722Format(): Uint8Array {
  const b = new Uint8Array(18);
  b.set([
    WAVE_FORMAT_G722 & 0xff,
    WAVE_FORMAT_G722 >> 8,
    1,
    0,
    0x80,
    0x3e,
    0,
    0,
    0x40,
    0x1f,
    0,
    0,
    1,
    0,
    4,
    0,
  ]);
  return b;
}

/** Codecs that can be written. */
const table: Partial<Record<CodecName, MatroskaCodec>> = {
  opus: {
    codecId: "A_OPUS",
    codecPrivate: () => opusHead({ channels: 2 }),
    // Two channels whatever the packets hold: a decoder makes two of one, and senders switch at will.
    audio: { sampleRate: 48_000, channels: 2, seekPreRollNs: OPUS_PREROLL_NS },
    silence: OPUS_SILENCE,
  },
  multiopus: {
    codecId: "A_OPUS",
    codecPrivate: (first) => first?.config,
    audio: { sampleRate: 48_000, channels: 2, seekPreRollNs: OPUS_PREROLL_NS },
    splits: (first, next) => !first.config || !next.config || !equalBytes(first.config, next.config),
  },
  pcmu: g711("pcmu"),
  pcma: g711("pcma"),
  g722: {
    codecId: "A_MS/ACM",
    codecPrivate: g722Format,
    audio: { sampleRate: 16_000, channels: 1 },
    silence: G722_SILENCE,
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
  // OpusHead says how many channels there are.
  const channels = config && codec === "multiopus" ? { channels: config[9] ?? 2 } : {};
  if (c.audio) return { ...common, kind: "audio", ...c.audio, ...channels };
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

/** Block data of 20 ms of silence; undefined: the codec has none. */
export function matroskaSilence(codec: CodecName): Uint8Array | undefined {
  return table[codec]?.silence;
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
