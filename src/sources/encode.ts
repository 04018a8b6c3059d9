import { RoomtapError } from "../core/fault.ts";
import { ffmpegCapabilities } from "../ffmpeg/capabilities.ts";

/** Video that prepared media can hold. */
export type PublishedVideo = "vp8" | "h264";

/** Keyframe distance in frames of prepared video: one second, so that a newcomer sees a picture soon. */
const GOP = 30;

const encoders = { vp8: "libvpx", h264: "libx264", opus: "libopus" } as const;

/** How much smaller in each direction than the full picture a simulcast layer is. */
export type Shrink = 1 | 2 | 4;

/** Bit rate of a layer, kbit/s. */
const RATES: Readonly<Record<Shrink, number>> = { 1: 2000, 2: 600, 4: 200 };

/**
 * Options for an encoder whose frames can be sent one by one: every frame is shown, in the order of decoding,
 * none is hidden, and keyframes come every second, at the same pictures whatever the size. About 2 Mbit/s at 1280x720.
 */
export function videoEncoding(codec: PublishedVideo, shrink: Shrink = 1): string[] {
  const common = ["-g", `${GOP}`, "-keyint_min", `${GOP}`, "-pix_fmt", "yuv420p", "-color_range", "tv"];
  const kbps = RATES[shrink];
  const rate = ["-b:v", `${kbps}k`, "-maxrate", `${1.25 * kbps}k`, "-bufsize", `${kbps}k`];
  if (codec === "h264")
    return [
      ...["-c:v", encoders.h264, "-preset", "veryfast", "-profile:v", "baseline", "-level", "3.1"],
      ...["-bf", "0", "-sc_threshold", "0", "-flags", "+cgop", "-colorspace", "smpte170m"],
      // With a bitrate to keep, x264 on several threads makes other frames every time.
      ...["-threads", "1"],
      ...common,
      ...rate,
    ];
  return [
    ...["-c:v", encoders.vp8, "-deadline", "good", "-cpu-used", "5", "-threads", "2"],
    ...["-auto-alt-ref", "0", "-lag-in-frames", "0", "-qmin", "4", "-qmax", "48"],
    ...common,
    ...rate,
  ];
}

/** Options for stereo Opus in packets of 20 ms. */
export function audioEncoding(): string[] {
  return ["-c:a", encoders.opus, "-b:a", "96k", "-ar", "48000", "-ac", "2", "-frame_duration", "20"];
}

/**
 * The last audio filter before the encoder. libopus delays the sound by 312 samples, and ffmpeg gives the first
 * packet a time that much below zero; the muxer would then move picture and sound apart by 6.5 ms.
 */
export const OPUS_DELAY_FILTER = "asetpts=PTS+312/48000/TB";

/** Version text of an ffmpeg. Errors: ffmpeg-failed when it cannot encode what is wanted. */
export async function requireEncoders(
  ffmpeg: string,
  codecs: readonly (keyof typeof encoders)[],
): Promise<string> {
  const { encoders: has, version } = await ffmpegCapabilities(ffmpeg);
  for (const codec of codecs) {
    if (has.has(encoders[codec])) continue;
    throw new RoomtapError(
      "ffmpeg-failed",
      `${ffmpeg} cannot encode ${codec}: it has no ${encoders[codec]}`,
      {
        hint: "name another one with --ffmpeg",
      },
    );
  }
  return version;
}
