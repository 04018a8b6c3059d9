import { concat, u8, u32 } from "../../bytes.ts";
import { ADTS_HEADER, type AdtsFormat, adtsHeader, MAX_ADTS_DATA } from "./adts.ts";
import { pesHeader, TsPacketizer, type TsUnit } from "./packets.ts";
import { Pid, programAssociation, programMap } from "./tables.ts";

/** A coded picture or piece of sound. Decoding order is presentation order. */
export type TsSample = {
  /** H.264: NAL units behind 4-byte lengths. AAC: a raw frame. */
  readonly data: Uint8Array;
  /** In ticks: 90 kHz for video, the sample rate for audio. Integer; of any length, though 33 bits go out. */
  readonly time: number;
  /** In the same ticks. */
  readonly duration: number;
  /** Decodable from here on. */
  readonly keyframe: boolean;
};

/** What a transport stream carries: at least one of the two. */
export type TsFormat = {
  readonly video?: {
    /** Sequence and picture parameter sets, repeated before every keyframe. */
    readonly parameterSets: readonly Uint8Array[];
  };
  readonly audio?: AdtsFormat & {
    /** Hz; the clock of its samples' times. */
    readonly sampleRate: number;
  };
};

const CLOCK = 90_000;
/** Time 0 stands so in the stream, 90 kHz: the clock that decoders buffer by runs ahead, and begins above 0. */
export const TS_ZERO: number = CLOCK;
/** From a sample's arrival to its presentation, 90 kHz: a segment's sound may stand behind as much of its pictures. */
const LEAD = 63_000;

const StreamId = { video: 0xe0, audio: 0xc0 } as const;
const START_CODE = Uint8Array.of(0, 0, 0, 1);
const DELIMITER = 9;
/** Begins every picture (ISO/IEC 13818-1 section 2.14.1): slices of any type follow. */
const ACCESS_UNIT_DELIMITER = Uint8Array.of(0, 0, 0, 1, DELIMITER, 0xf0);
/** Of ADTS frames in one PES packet, which must say how long it is. */
const MAX_AUDIO_PES = 0xffff - 8;

/**
 * Writes an MPEG transport stream (ISO/IEC 13818-1) of H.264 and AAC: everything returned, put together in the order of
 * the calls, is the stream. Continuity counters go on for as long as it lives, over segments too. The clock comes with
 * every picture, or with the sound where there are none.
 */
export class TsWriter {
  readonly #format: TsFormat;
  readonly #packetizer = new TsPacketizer();
  readonly #setsBefore: readonly Uint8Array[];

  /** Starts a stream; nothing is to be closed. */
  constructor(format: TsFormat) {
    this.#format = format;
    this.#setsBefore = (format.video?.parameterSets ?? []).flatMap((set) => [START_CODE, set]);
  }

  /** The tables that say what is in the stream: at its beginning, and that of every segment. */
  tables(): Uint8Array {
    const { video, audio } = this.#format;
    const pat = this.#packetizer.packets({ pid: Pid.pat, parts: [programAssociation()], stuffing: "behind" });
    const map = programMap(video !== undefined, audio !== undefined);
    const pmt = this.#packetizer.packets({ pid: Pid.pmt, parts: [map], stuffing: "behind" });
    return concat([pat, pmt]);
  }

  /** A picture. Without video in the format: nothing. */
  video(s: TsSample): Uint8Array {
    if (!this.#format.video) return new Uint8Array(0);
    const picture = [ACCESS_UNIT_DELIMITER, ...(s.keyframe ? this.#setsBefore : []), ...annexB(s.data)];
    const time = TS_ZERO + s.time;
    return this.#pes(Pid.video, StreamId.video, picture, time, {
      randomAccess: s.keyframe,
      pcr: time - LEAD,
    });
  }

  /**
   * Pieces of sound, in one PES packet or in as few as can hold them: one has one time, and so no hole. Comes before
   * pictures that are 700 ms later, as their clock would have passed it. Frames too long for ADTS, which no channels of
   * ours need, are left out. Without audio in the format: nothing.
   */
  audio(samples: readonly TsSample[]): Uint8Array {
    const format = this.#format.audio;
    if (!format) return new Uint8Array(0);
    const packets = runsOf(samples).map((run) => {
      const frames = run.flatMap((s) => [adtsHeader(format, s.data.length), s.data]);
      const time = TS_ZERO + Math.round(((run[0]?.time ?? 0) * CLOCK) / format.sampleRate);
      const clock = this.#format.video ? {} : { pcr: time - LEAD };
      return this.#pes(Pid.audio, StreamId.audio, frames, time, { randomAccess: true, ...clock });
    });
    return concat(packets);
  }

  #pes(
    pid: number,
    streamId: number,
    content: readonly Uint8Array[],
    pts: number,
    o: Pick<TsUnit, "randomAccess" | "pcr">,
  ): Uint8Array {
    const size = content.reduce((n, c) => n + c.length, 0);
    const parts = [pesHeader(streamId, size, pts), ...content];
    return this.#packetizer.packets({ pid, parts, stuffing: "adaptation", ...o });
  }
}

/** NAL units behind start codes. Delimiters are left out, as the writer puts its own; so is a torn rest. */
function annexB(data: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at + 4 <= data.length; ) {
    const from = at + 4;
    at = from + u32(data, at);
    if (at > data.length) break;
    const isDelimiter = (u8(data, from) & 0x1f) === DELIMITER;
    if (at > from && !isDelimiter) out.push(START_CODE, data.subarray(from, at));
  }
  return out;
}

/** Samples that follow each other, as many together as a PES packet holds. */
function runsOf(samples: readonly TsSample[]): TsSample[][] {
  const runs: TsSample[][] = [];
  let size = 0;
  let end = 0;
  for (const s of samples) {
    if (s.data.length > MAX_ADTS_DATA) continue;
    const run = runs.at(-1);
    const octets = ADTS_HEADER + s.data.length;
    if (run && s.time === end && size + octets <= MAX_AUDIO_PES) run.push(s);
    else {
      runs.push([s]);
      size = 0;
    }
    size += octets;
    end = s.time + s.duration;
  }
  return runs;
}
