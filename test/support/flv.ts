import { concat, putU24, putU32 } from "../../src/core/bytes.ts";

/** "FLV", version 1, sound and pictures; then the pointer back at nothing. */
export const FLV_HEADER: Uint8Array = Uint8Array.of(0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0);

/** Types of tags. */
export const FlvTag = { audio: 8, video: 9, script: 18 } as const;

/** A tag of FLV with the pointer back at it. */
export function flvTag(
  type: number,
  timeMs: number,
  ...body: readonly (Uint8Array | readonly number[])[]
): Uint8Array {
  const content = concat(body.map((b) => Uint8Array.from(b)));
  const out = new Uint8Array(11 + content.length + 4);
  out[0] = type;
  putU24(out, 1, content.length);
  putU24(out, 4, timeMs % 2 ** 24);
  out[7] = Math.floor(timeMs / 2 ** 24);
  out.set(content, 11);
  putU32(out, out.length - 4, 11 + content.length);
  return out;
}

/** What a stream begins with: a script tag, an AVCDecoderConfigurationRecord, an AudioSpecificConfig. */
export function flvStart(avcC: Uint8Array, asc: Uint8Array): Uint8Array {
  return concat([
    FLV_HEADER,
    flvTag(FlvTag.script, 0, [2, 0, 10], [...Array(12).keys()]),
    flvTag(FlvTag.video, 0, [0x17, 0, 0, 0, 0], avcC),
    flvTag(FlvTag.audio, 0, [0xaf, 0], asc),
  ]);
}

/** A picture. */
export function flvPicture(timeMs: number, data: Uint8Array, keyframe = false): Uint8Array {
  return flvTag(FlvTag.video, timeMs, [keyframe ? 0x17 : 0x27, 1, 0, 0, 0], data);
}

/** A frame of AAC. */
export function flvSound(timeMs: number, data: Uint8Array): Uint8Array {
  return flvTag(FlvTag.audio, timeMs, [0xaf, 1], data);
}
