import { defaultCacheDir } from "./cache.ts";
import type { Shrink } from "./encode.ts";
import { groundTruthClip } from "./ground-truth/generate.ts";
import type { ClipSize } from "./ground-truth/spec.ts";
import { preparedFile } from "./media-file.ts";

/** What is to be sent. */
export type PrepareOptions = {
  /** `test` for the ground-truth clip, or the path of anything ffmpeg reads. */
  readonly media: string;
  readonly video: "vp8" | "h264" | "none";
  readonly audio: "opus" | "none";
  /** How long it will be sent, in milliseconds: no more of a file is prepared. */
  readonly durationMs?: number;
  /** Size of the ground-truth clip; default 1280x720. */
  readonly size?: ClipSize;
  /** It is a simulcast layer: its sides are that much smaller; default 1. */
  readonly shrink?: Shrink;
  readonly ffmpeg: string;
  /** Default: ROOMTAP_CACHE, or `roomtap` in the user's cache directory. */
  readonly cacheDir?: string;
  /** Share of the work done, 0..1. Not called when nothing is to be done, or when a file's length is unknown. */
  readonly onProgress?: (share: number) => void;
  /** Aborting ends the preparation; it then rejects with `ffmpeg-failed`. */
  readonly signal?: AbortSignal;
};

/**
 * Path of a Matroska file for `SampleStore.open`, made now or taken from the cache. The ground-truth clip holds
 * both tracks, whatever is wanted; of a file at least one wanted track is there. Errors: media-invalid,
 * usage (a size that cannot be drawn), ffmpeg-failed, output-unwritable, disk-full.
 */
export async function prepareMedia(o: PrepareOptions): Promise<string> {
  const common = {
    ffmpeg: o.ffmpeg,
    cacheDir: o.cacheDir ?? defaultCacheDir(),
    ...(o.onProgress ? { onProgress: o.onProgress } : {}),
    ...(o.signal ? { signal: o.signal } : {}),
    ...(o.shrink === undefined ? {} : { shrink: o.shrink }),
  };
  if (o.media === "test") {
    const codec = o.video === "none" ? "vp8" : o.video;
    return await groundTruthClip({ ...common, codec, ...(o.size ? { size: o.size } : {}) });
  }
  return await preparedFile({
    ...common,
    path: o.media,
    video: o.video,
    audio: o.audio,
    ...(o.durationMs === undefined ? {} : { limitMs: o.durationMs }),
  });
}

/**
 * The same, as three layers for simulcast, the smallest first: a quarter and half of the width and height, and all. The
 * pictures are the same ones, with keyframes at the same places. Errors: as of `prepareMedia`.
 */
export async function prepareLayers(o: PrepareOptions): Promise<string[]> {
  const shrinks: readonly Shrink[] = [4, 2, 1];
  const files: string[] = [];
  for (const [i, shrink] of shrinks.entries()) {
    const onProgress = (share: number) => o.onProgress?.((i + share) / shrinks.length);
    // The sound is taken from the largest.
    files.push(await prepareMedia({ ...o, shrink, onProgress, audio: shrink === 1 ? o.audio : "none" }));
  }
  return files;
}
