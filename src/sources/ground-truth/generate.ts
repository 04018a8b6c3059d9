import { rm, writeFile } from "node:fs/promises";
import { runFfmpeg } from "../../ffmpeg/run.ts";
import { cached, cacheName } from "../cache.ts";
import {
  audioEncoding,
  OPUS_DELAY_FILTER,
  type PublishedVideo,
  requireEncoders,
  type Shrink,
  videoEncoding,
} from "../encode.ts";
import { TestCard } from "./card.ts";
import {
  CHANNELS,
  type ClipSize,
  checkSize,
  DESIGN,
  FPS,
  LOOP_FRAMES,
  LOOP_SECONDS,
  SAMPLE_RATE,
  SPEC_VERSION,
  tonePcm,
} from "./spec.ts";

/**
 * Samples of sound beyond the end of the pass. The encoder delays the sound by 6.5 ms, so the packet that is
 * sent across the seam of the loop starts in this pass and ends in the next: it must carry that pass's tone.
 */
const SEAM_SAMPLES = 648;

/** What a clip is made of and with. */
export type GroundTruthOptions = {
  readonly codec: PublishedVideo;
  /** Default: 1280x720. */
  readonly size?: ClipSize;
  /** It is a layer of this clip in simulcast: both sides are that much smaller, and so is the rate; default 1. */
  readonly shrink?: Shrink;
  readonly ffmpeg: string;
  readonly cacheDir: string;
  /** Share of the work done, 0..1. Not called when the clip is in the cache. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
};

/**
 * Path of the ground-truth clip, a Matroska file with video and Opus; made once and cached. Errors: usage for a
 * size that cannot be drawn, ffmpeg-failed, output-unwritable.
 */
export async function groundTruthClip(o: GroundTruthOptions): Promise<string> {
  const { width, height } = o.size ?? DESIGN;
  const shrink = o.shrink ?? 1;
  const size = { width: width / shrink, height: height / shrink };
  checkSize(size);
  const version = await requireEncoders(o.ffmpeg, [o.codec, "opus"]);
  const name = cacheName(`ground-truth-${o.codec}-${size.width}x${size.height}`, [
    SPEC_VERSION,
    version,
    ...(shrink === 1 ? [] : [shrink]),
  ]);
  return await cached(o.cacheDir, name, (path) => encode(path, size, o));
}

async function encode(path: string, size: ClipSize, o: GroundTruthOptions): Promise<void> {
  const sound = `${path}.wav`;
  const { width, height } = size;
  try {
    await writeFile(sound, wav(tonePcm(LOOP_SECONDS * SAMPLE_RATE + SEAM_SAMPLES)));
    await runFfmpeg({
      ffmpeg: o.ffmpeg,
      command: {
        inputs: [
          {
            source: "stdin",
            options: ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", `${width}x${height}`, "-r", `${FPS}`],
          },
          { source: sound },
        ],
        audioFilters: [OPUS_DELAY_FILTER],
        options: [
          ...["-map", "0:v:0", "-map", "1:a:0", ...videoEncoding(o.codec, o.shrink), ...audioEncoding()],
          ...["-map_metadata", "-1", "-f", "matroska"],
        ],
        output: path,
      },
      input: frames(size, o.onProgress ?? (() => undefined)),
      ...(o.signal ? { signal: o.signal } : {}),
    });
  } finally {
    await rm(sound, { force: true });
  }
}

async function* frames(size: ClipSize, onProgress: (share: number) => void): AsyncIterable<Uint8Array> {
  const card = new TestCard(size);
  for (let n = 0; n < LOOP_FRAMES; n++) {
    onProgress(n / LOOP_FRAMES);
    // The pipe may still hold the last picture while the next one is drawn.
    yield card.draw(n).slice();
  }
  onProgress(1);
}

/** A WAV file of interleaved 16-bit samples. */
function wav(pcm: Int16Array): Uint8Array {
  const head = Buffer.alloc(44);
  const octets = 2 * pcm.length;
  head.write("RIFF", 0, "latin1");
  head.writeUInt32LE(36 + octets, 4);
  head.write("WAVEfmt ", 8, "latin1");
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(CHANNELS, 22);
  head.writeUInt32LE(SAMPLE_RATE, 24);
  head.writeUInt32LE(2 * CHANNELS * SAMPLE_RATE, 28);
  head.writeUInt16LE(2 * CHANNELS, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(octets, 40);
  const body = Buffer.alloc(octets);
  for (let i = 0; i < pcm.length; i++) body.writeInt16LE(pcm[i] ?? 0, 2 * i);
  return Buffer.concat([head, body]);
}
