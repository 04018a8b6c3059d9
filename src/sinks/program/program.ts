/**
 * An encoded live stream on its way from the encoder to everything that carries it away: HLS, RTMP, SRT, RTSP, WHIP, a
 * file. Encoded once; whoever takes it only packs it.
 */

/** Ticks per second of video times. */
export const VIDEO_CLOCK = 90_000;

/** What the pictures of a rendition are. */
export type ProgramVideo = {
  readonly codec: "h264";
  /** AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1), 4-byte NAL lengths. */
  readonly config: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
};

/** What the sound is. */
export type ProgramAudio = {
  readonly codec: "aac";
  /** AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). */
  readonly config: Uint8Array;
  /** Hz; also the clock of its samples' times. */
  readonly sampleRate: number;
  readonly channels: number;
};

/** One size of the picture. All renditions carry the same sound. */
export type Rendition = {
  /** Like `360p`: letters, digits, `-`; unique; also a directory's name and part of addresses. */
  readonly name: string;
  /** Bits per second, pictures and sound, as configured. */
  readonly bitrate: number;
  readonly framesPerSecond: number;
};

/** What a program is made of, the best rendition first. At least one. */
export type ProgramPlan = {
  readonly renditions: readonly Rendition[];
  /** Unix milliseconds of time 0. */
  readonly zeroAt: number;
};

/** What decoders must be told before samples. A new one for a rendition means: everything starts anew there. */
export type ProgramFormat = {
  /** Index into `ProgramPlan.renditions`. */
  readonly rendition: number;
  readonly video: ProgramVideo;
  readonly audio: ProgramAudio;
};

/** A coded picture or a piece of coded sound. Decoding order is presentation order: there are no B-frames. */
export type ProgramSample = {
  readonly kind: "video" | "audio";
  /** Index of the rendition; sound belongs to all, and has none. */
  readonly rendition?: number;
  /** H.264: NAL units behind 4-byte lengths, without parameter sets. AAC: a raw frame, without ADTS. */
  readonly data: Uint8Array;
  /** Since time 0, in ticks of its clock: 90 kHz for video, the sample rate for audio. Integer; may pass 2^32. */
  readonly time: number;
  /** In the same ticks, where nothing was left out: what counts is the time of the next one. */
  readonly duration: number;
  /** Video: decodable from here on. Audio: true. */
  readonly keyframe: boolean;
};

/**
 * Whoever carries a program away. Calls return at once: what cannot go out now waits in a bounded queue of the sink's
 * own, and is dropped and counted when that is full; no sink ever makes another one wait. None of these throws.
 *
 * Order: `format` of every rendition, then its samples; times of a rendition's video, and of the sound, only grow.
 * After `interruption` there may be a hole, and `format` comes again.
 */
export interface ProgramSink {
  /** For status and metrics, like `hls` or `rtmp`; never an address. */
  readonly name: string;
  format(f: ProgramFormat): void;
  sample(s: ProgramSample): void;
  /** The encoder was started anew: what comes next does not continue what came before. */
  interruption(): void;
  /** The program ends: completes what is there, ends connections. Idempotent, bounded to 10 s, never rejects. */
  close(): Promise<void>;
  status(): SinkStatus;
}

/** How a sink is doing. */
export type SinkStatus = {
  /** `waiting`: nothing came yet. `retrying`: it failed and is tried again. `failed`: for good. */
  readonly state: "waiting" | "running" | "retrying" | "failed" | "ended";
  /** Octets carried away, samples dropped because it was too slow or away, how often it was started. */
  readonly bytes: number;
  readonly dropped: number;
  readonly attempts: number;
  /** Why it is not running; without secrets. */
  readonly detail?: string;
};
