import { concat } from "../../src/core/bytes.ts";
import type { SampleIndex } from "../../src/core/media/sample-index.ts";
import { type Random, randomInt, seededRandom } from "../../src/core/random.ts";

/** Codecs that a clip can be made of. */
export type ClipCodec = "vp8" | "h264" | "opus";

/** Encoded media as it would come from an encoder, of one track. */
export type Clip = { readonly index: SampleIndex; readonly frames: readonly Uint8Array[] };

const FPS = 30;
const GOP_SECONDS = 3;
const VIDEO_BPS = 2_500_000;
/** A keyframe is this many times an average frame. */
const KEYFRAME_FACTOR = 6;
const AUDIO_FRAME_US = 20_000;
/** Opus of 32 kbit/s. */
const AUDIO_BYTES = 80;

/** Uncompressed header of a VP8 keyframe of 1280x720. */
const VP8_KEYFRAME = Uint8Array.of(0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02);
/** Frame tag of a VP8 frame that is none. */
const VP8_DELTA = Uint8Array.of(0x11);
/** SPS of 1280x720 (Constrained Baseline, level 3.1), PPS, first octets of an IDR slice. */
const H264_KEYFRAME = Uint8Array.of(
  ...[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe4],
  ...[0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80],
  ...[0, 0, 0, 1, 0x65, 0x88],
);
const H264_DELTA = Uint8Array.of(0, 0, 0, 1, 0x41, 0x9a);
/** CELT, full band, 20 ms, mono, one frame. */
const OPUS_TOC = Uint8Array.of(0xf8);

/** A clip: 720p of 30 frames a second at 2.5 Mbit/s with a keyframe every three seconds, or speech in Opus. */
export function makeClip(codec: ClipCodec, seconds: number): Clip {
  const random = seededRandom(720);
  const durationUs = seconds * 1e6;
  if (codec === "opus") {
    const frames = Array.from({ length: durationUs / AUDIO_FRAME_US }, () =>
      frame(OPUS_TOC, AUDIO_BYTES - 20 + randomInt(random, 41), random),
    );
    const audio = frames.map((f, i) => ({ time: i * AUDIO_FRAME_US, size: f.length, audioLevel: 30 }));
    return { index: { audio, durationUs }, frames };
  }
  const heads = codec === "vp8" ? [VP8_KEYFRAME, VP8_DELTA] : [H264_KEYFRAME, H264_DELTA];
  const gop = FPS * GOP_SECONDS;
  const keyframe = (i: number) => i % gop === 0;
  const average = VIDEO_BPS / 8 / FPS;
  const delta = (average * (gop - KEYFRAME_FACTOR)) / (gop - 1);
  const frames = Array.from({ length: seconds * FPS }, (_, i) =>
    keyframe(i)
      ? frame(heads[0], KEYFRAME_FACTOR * average, random)
      : frame(heads[1], delta * (0.5 + random()), random),
  );
  const video = frames.map((f, i) => ({
    time: Math.round((i * 1e6) / FPS),
    size: f.length,
    keyframe: keyframe(i),
  }));
  return { index: { video, durationUs }, frames };
}

/** Never a zero octet behind the head: no start code arises by chance. */
function frame(head: Uint8Array = VP8_DELTA, length: number, random: Random): Uint8Array {
  const rest = Uint8Array.from(
    { length: Math.max(2, Math.round(length) - head.length) },
    () => 1 + randomInt(random, 255),
  );
  return concat([head, rest]);
}
