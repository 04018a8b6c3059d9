import { RoomtapError } from "../../core/fault.ts";
import { type CompositionFormat, encodeComposition } from "../../ffmpeg/compose.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";
import type { Manifest } from "../recorder/manifest.ts";
import { type Clip, castOf } from "./cast.ts";
import { Lettering, titleText } from "./lettering.ts";
import { Painter } from "./painter.ts";
import { type Plan, planComposition, type SceneLayout } from "./plan.ts";
import { RawStream } from "./raw-stream.ts";
import { type ReelOptions, Reels } from "./reels.ts";
import type { Span } from "./spans.ts";
import { titleStyle } from "./style.ts";
import { clipUses } from "./usage.ts";
import { Voices } from "./voices.ts";

/** What is composed of a session. */
export type CompositionOptions = {
  readonly ffmpeg: string;
  readonly manifest: Pick<Manifest, "participants" | "files" | "events">;
  /** Absolute path of a file of the manifest. */
  readonly pathOf: (clip: Clip) => string;
  /** What of the session's time is wanted, milliseconds. */
  readonly part: Span;
  /** Pictures; without them sound alone. Both sides even. */
  readonly video?: {
    readonly layout: SceneLayout;
    readonly width: number;
    readonly height: number;
    readonly fps: number;
    /** Names on tiles, and initials where there is no picture. */
    readonly labels: boolean;
    readonly title?: string;
  };
  readonly format: CompositionFormat;
  /** Where it is written. What is there is replaced. */
  readonly output: string;
  readonly signal: AbortSignal;
  /** Milliseconds that are done. */
  readonly onProgress: (ms: number) => void;
};

/** What became of it. */
export type Composed = {
  /** Files that could not be decoded, by their path in the manifest, and why. */
  readonly failures: ReadonlyMap<string, string>;
  /** Names could be written. */
  readonly lettered: boolean;
};

/** Milliseconds of sound at a time, where there are no pictures. */
const PIECE_MS = 100;

/**
 * Composes a session into one file, as fast as it can. Memory does not grow with the session; a process per file that
 * plays at a time. Rejects with a RoomtapError `ffmpeg-failed` or `disk-full`; what was written is then of no use.
 */
export async function compose(o: CompositionOptions): Promise<Composed> {
  const stop = new AbortController();
  const failures = new Map<string, string>();
  const reelOptions: ReelOptions = {
    ffmpeg: o.ffmpeg,
    pathOf: o.pathOf,
    signal: AbortSignal.any([o.signal, stop.signal]),
    onFailure: (clip, failure) => {
      if (o.signal.aborted || stop.signal.aborted) return;
      // A file may be no video; a process that somebody ended says nothing about its file.
      if (/\bSIG[A-Z]+\b/.test(failure.message)) throw failure;
      failures.set(clip.path, failure.message);
    },
  };
  const voicesOf = (sounds: readonly Clip[]) => new Voices(sounds, o.part.fromMs, reelOptions);
  const { video } = o;
  const work = video ? await pictured(o, video, reelOptions, voicesOf) : heard(o, voicesOf);
  try {
    await encodeComposition({
      ...{ ffmpeg: o.ffmpeg, format: o.format, output: o.output, signal: o.signal },
      ...{ input: work.input, onProgress: o.onProgress },
      ...(video ? { video: { fps: video.fps } } : {}),
    });
  } catch (error) {
    const cause = error instanceof RoomtapError ? error.cause : undefined;
    throw cause instanceof RoomtapError ? cause : error;
  } finally {
    stop.abort();
    await work.close();
  }
  return { failures, lettered: work.lettered };
}

type Work = {
  readonly input: AsyncIterable<Uint8Array>;
  readonly lettered: boolean;
  close(): Promise<void>;
};

function heard(o: CompositionOptions, voicesOf: (sounds: readonly Clip[]) => Voices): Work {
  const voices = voicesOf(castOf(o.manifest, o.part).sounds);
  const length = o.part.toMs - o.part.fromMs;
  async function* pieces() {
    for (let ms = 0; ms < length; ms += PIECE_MS)
      yield await voices.upTo(sampleAt(Math.min(length, ms + PIECE_MS)));
  }
  return { input: pieces(), lettered: true, close: () => voices.close() };
}

async function pictured(
  o: CompositionOptions,
  video: NonNullable<CompositionOptions["video"]>,
  reelOptions: ReelOptions,
  voicesOf: (sounds: readonly Clip[]) => Voices,
): Promise<Work> {
  const { width, height, layout } = video;
  const title = video.title === undefined ? undefined : titleText(video.title, width, height);
  const top = title ? titleStyle(height).bar : 0;
  const plan = planComposition(o.manifest, { layout, width, height, part: o.part, top });
  const wanted = video.labels || title !== undefined;
  const letters = wanted
    ? await Lettering.draw(o, video.labels ? plan : { ...plan, scenes: [] }, title)
    : Lettering.none();
  const lettering = letters ?? Lettering.none();
  const painter = new Painter(width, height, lettering, title && lettering.of(title));
  const reels = new Reels(clipUses(plan), reelOptions);
  const voices = voicesOf(plan.sounds);
  return {
    input: frames(plan, video, painter, reels, voices),
    lettered: letters !== undefined,
    close: async () => void (await Promise.all([reels.close(), voices.close()])),
  };
}

/** Pictures, and with each the sound that is heard while it is shown. */
async function* frames(
  plan: Plan,
  { width, height, fps }: { readonly width: number; readonly height: number; readonly fps: number },
  painter: Painter,
  reels: Reels,
  voices: Voices,
): AsyncIterable<Uint8Array> {
  const stream = new RawStream(width, height, fps);
  yield stream.head();
  const count = Math.max(1, Math.round(((plan.toMs - plan.fromMs) * fps) / 1000));
  let at = 0;
  for (let k = 0; k < count; k++) {
    const timeMs = (k * 1000) / fps;
    const atMs = plan.fromMs + timeMs;
    while ((plan.scenes[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY) <= atMs) at++;
    const scene = plan.scenes[at];
    await reels.advance(atMs, 500 / fps);
    if (scene)
      painter.paint(
        scene,
        scene.tiles.map((t) => t.clip && reels.shotOf(t.clip)),
      );
    const samples = await voices.upTo(sampleAt(((k + 1) * 1000) / fps));
    yield* stream.frame(timeMs, painter.canvas.pixels, samples);
  }
}

function sampleAt(ms: number): number {
  return Math.round((ms * SOUND.rate) / 1000);
}
