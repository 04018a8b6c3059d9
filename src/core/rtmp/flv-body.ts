import { concat } from "../bytes.ts";

/**
 * Payloads of audio and video messages: the bodies of FLV tags (Video File Format Specification 10.1, annex E.4.2
 * and E.4.3), H.264 and AAC.
 */

const AVC = 7;
const KEYFRAME = 1;
const INTER_FRAME = 2;
/** AAC, whose rate, size and channels stand in its own configuration: 44 kHz, 16 bit and stereo by definition. */
const AAC_HEADER = 0xaf;

/** What decoders of the pictures must be told first: an AVCDecoderConfigurationRecord. */
export function videoConfigBody(config: Uint8Array): Uint8Array {
  return concat([Uint8Array.of((KEYFRAME << 4) | AVC, 0, 0, 0, 0), config]);
}

/** A picture: NAL units behind 4-byte lengths, shown when it is decoded. */
export function videoBody(data: Uint8Array, keyframe: boolean): Uint8Array {
  const head = Uint8Array.of(((keyframe ? KEYFRAME : INTER_FRAME) << 4) | AVC, 1, 0, 0, 0);
  return concat([head, data]);
}

/** What decoders of the sound must be told first: an AudioSpecificConfig. */
export function audioConfigBody(config: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(AAC_HEADER, 0), config]);
}

/** A raw frame of AAC. */
export function audioBody(data: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(AAC_HEADER, 1), data]);
}
