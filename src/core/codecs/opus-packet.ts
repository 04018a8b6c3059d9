import { asciiBytes, u8 } from "../bytes.ts";

/** 20 ms of silence: fullband CELT, stereo, one empty frame. Fills gaps of an Opus track. */
export const OPUS_SILENCE: Uint8Array = Uint8Array.of(0xf8, 0xff, 0xfe);

/** Length of `OPUS_SILENCE` in microseconds. */
export const OPUS_SILENCE_US = 20_000;

/** Longest packet in microseconds (RFC 6716 section 3.4, requirement 5). */
const MAX_PACKET_US = 120_000;

const SILK_US = [10_000, 20_000, 40_000, 60_000];
const HYBRID_US = [10_000, 20_000];
const CELT_US = [2_500, 5_000, 10_000, 20_000];

/** Length in microseconds of one frame of a packet, by its TOC byte (RFC 6716 section 3.1). */
export function opusFrameDuration(toc: number): number {
  const config = (toc >> 3) & 31;
  if (config < 12) return SILK_US[config & 3] ?? 0;
  if (config < 16) return HYBRID_US[config & 1] ?? 0;
  return CELT_US[config & 3] ?? 0;
}

/**
 * Length of a packet in microseconds, from its TOC byte and frame count (RFC 6716 section 3.2). undefined
 * when the packet is empty, lacks the frame count, holds no frame or more than 120 ms.
 */
export function opusPacketDuration(packet: Uint8Array): number | undefined {
  if (packet.length === 0) return undefined;
  const toc = u8(packet, 0);
  const code = toc & 3;
  if (code === 3 && packet.length < 2) return undefined;
  const frames = code === 3 ? u8(packet, 1) & 63 : code === 0 ? 1 : 2;
  const duration = frames * opusFrameDuration(toc);
  return duration > 0 && duration <= MAX_PACKET_US ? duration : undefined;
}

/** True for a packet without sound data, as sent in discontinuous transmission (RFC 7587 section 3.1.3). */
export function isOpusDtx(packet: Uint8Array): boolean {
  return packet.length <= 2;
}

/** More than two channels: how decoder streams become channels (RFC 7845 section 5.1.1, family 1). */
export type OpusMapping = {
  readonly streams: number;
  readonly coupled: number;
  /** One entry per channel. */
  readonly channelMapping: readonly number[];
};

/**
 * The identification header of Ogg and Matroska (RFC 7845 section 5.1). Pre-skip, in samples at 48 kHz, is 0:
 * a recording joins a running stream, and a trimmed start would move it against the video.
 */
export function opusHead(o: { channels: number; preSkip?: number; mapping?: OpusMapping }): Uint8Array {
  const preSkip = o.preSkip ?? 0;
  const tail = o.mapping ? [1, o.mapping.streams, o.mapping.coupled, ...o.mapping.channelMapping] : [0];
  const rate = [0x80, 0xbb, 0, 0];
  const gain = [0, 0];
  return Uint8Array.of(
    ...asciiBytes("OpusHead"),
    1,
    o.channels,
    preSkip & 0xff,
    preSkip >> 8,
    ...rate,
    ...gain,
    ...tail,
  );
}
