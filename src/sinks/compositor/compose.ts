import { RoomtapError } from "../../core/fault.ts";
import { type CompositionFormat, encodeComposition } from "../../ffmpeg/compose.ts";
import { SOUND } from "../../ffmpeg/decode-sound.ts";
import { StallGuard } from "../../ffmpeg/stall-guard.ts";
import type { Manifest } from "../recorder/manifest.ts";
import { castOf } from "./cast.ts";
import { Lettering, titleText } from "./lettering.ts";
import { listen } from "./listen.ts";
import { Painter } from "./painter.ts";
import { type Plan, planComposition } from "./plan.ts";
import { RawStream } from "./raw-stream.ts";
import { type ReelOptions, Reels } from "./reels.ts";
import type { SceneLayout } from "./seating.ts";
import type { Span } from "./spans.ts";
import { titleStyle } from "./style.ts";
import { clipUses } from "./usage.ts";
import { Voices } from "./voices.ts";

/** What is composed of a session. */
export type CompositionOptions = {
  readonly ffmpeg: string;
  readonly manifest: Pick<Manifest, "participants" | "files" | "events">;
  /** Absolute path of a file of the manifest. */
  readonly pathOf: (file: { readonly path: string }) => string;
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
  /** When nothing moves for this many milliseconds it is given up; default 120 000. */
  readonly stallMs?: number;
  /** Milliseconds that are done. */
  readonly onProgress: (ms: number) => void;
};

/** What became of it. */
export type Composed = {
  /** Files that could not be decoded, by their path in the manifest, and why. */
  readonly failures: ReadonlyMap<string, string>;
  /** Names could be written. */
  readonly lettered: boolean;
  /** Who spoke was not in the manifest and was told from the sound. */
  readonly listened: boolean;
};

/** Not even the end of a long file, when its header is put in front of all, takes that long. */
const STALL_MS = 120_000;
/** Milliseconds of sound at a time, where there are no pictures. */
const PIECE_MS = 100;

/**
 * Composes a session into one file, as fast as it can. Memory does not grow with the session; a process per file that
 * plays at a time. Rejects with a RoomtapError `ffmpeg-failed` or `disk-full`; what was written is then of no use.
 */
export async function compose(o: CompositionOptions): Promise<Composed> {
  const failures = new Map<string, string>();
  const guard = new StallGuard({ stallMs: o.stallMs ?? STALL_MS, signal: o.signal });
  const { signal } = guard;
  const stop = new AbortController();
  const reels: ReelOptions = {
    ffmpeg: o.ffmpeg,
    pathOf: o.pathOf,
    signal: AbortSignal.any([signal, stop.signal]),
    onFailure: (clip, failure) => {
      if (signal.aborted || stop.signal.aborted) return;
      // A file may be no video; a process that somebody ended says nothing about its file.
      if (/\bSIG[A-Z]+\b/.test(failure.message)) throw failure;
      failures.set(clip.path, failure.message);
    },
  };
  const { video } = o;
  let work: Work | undefined;
  try {
    work = video ? await pictured({ ...o, signal }, video, reels, guard) : heard(o, reels);
    await encodeComposition({
      ...{ ffmpeg: o.ffmpeg, format: o.format, output: o.output, signal },
      input: watched(work.input, guard),
      onProgress: (ms) => {
        guard.moves();
        o.onProgress(ms);
      },
      ...(video ? { video: { fps: video.fps } } : {}),
    });
    return { failures, lettered: work.lettered, listened: work.listened };
  } catch (error) {
    if (guard.stalled)
      throw new RoomtapError("ffmpeg-failed", "ffmpeg stood still and was ended", {
        hint: "run again with another ffmpeg (--ffmpeg) to see whether it is the build",
      });
    const cause = error instanceof RoomtapError ? error.cause : undefined;
    throw cause instanceof RoomtapError ? cause : error;
  } finally {
    guard.close();
    stop.abort();
    await work?.close();
  }
}

async function* watched(input: AsyncIterable<Uint8Array>, guard: StallGuard): AsyncIterable<Uint8Array> {
  for await (const piece of input) {
    guard.moves();
    yield piece;
  }
}

type Work = {
  readonly input: AsyncIterable<Uint8Array>;
  readonly lettered: boolean;
  readonly listened: boolean;
  close(): Promise<void>;
};

function heard(o: CompositionOptions, reels: ReelOptions): Work {
  const voices = new Voices(castOf(o.manifest, o.part).sounds, o.part.fromMs, reels);
  const length = o.part.toMs - o.part.fromMs;
  async function* pieces() {
    for (let ms = 0; ms < length; ms += PIECE_MS)
      yield await voices.upTo(sampleAt(Math.min(length, ms + PIECE_MS)));
  }
  return { input: pieces(), lettered: true, listened: false, close: () => voices.close() };
}

async function pictured(
  o: CompositionOptions,
  video: NonNullable<CompositionOptions["video"]>,
  reelOptions: ReelOptions,
  guard: StallGuard,
): Promise<Work> {
  const { width, height, layout } = video;
  const alone = new Set(o.manifest.files.map((f) => f.participantId)).size < 2;
  const said = o.manifest.events.some((e) => e.type === "speaking");
  const listened = layout === "speaker" && !alone && !said;
  const heard = listened ? await listen(o.manifest.files, { ...o, onMove: () => guard.moves() }) : [];
  const manifest = { ...o.manifest, events: [...o.manifest.events, ...heard] };
  const title = video.title === undefined ? undefined : titleText(video.title, width, height);
  const top = title ? titleStyle(height).bar : 0;
  const plan = planComposition(manifest, { layout, width, height, part: o.part, top });
  const wanted = video.labels || title !== undefined;
  const letters = wanted
    ? await Lettering.draw(o, video.labels ? plan : { ...plan, scenes: [] }, title)
    : Lettering.none();
  const lettering = letters ?? Lettering.none();
  const painter = new Painter(width, height, lettering, title);
  const reels = new Reels(clipUses(plan), reelOptions);
  const voices = new Voices(plan.sounds, plan.fromMs, reelOptions);
  return {
    input: frames(plan, video, painter, reels, voices),
    lettered: letters !== undefined,
    listened,
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
        scene.tiles,
        scene.tiles.map((t) => t.clip && reels.shotOf(t.clip)),
      );
    const samples = await voices.upTo(sampleAt(((k + 1) * 1000) / fps));
    yield* stream.frame(timeMs, painter.canvas.pixels, samples);
  }
}

function sampleAt(ms: number): number {
  return Math.round((ms * SOUND.rate) / 1000);
}
