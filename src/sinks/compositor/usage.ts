import type { Clip } from "./cast.ts";
import type { Plan } from "./plan.ts";
import { mergeSpans, type Span } from "./spans.ts";

/** How a clip is shown over the whole composition. */
export type ClipUse = {
  readonly clip: Clip;
  /** Size that it is decoded at. Tiles of another size are scaled from it. */
  readonly width: number;
  readonly height: number;
  /** When it is to be seen, the session's time; undefined: nearly always. */
  readonly spans: readonly Span[] | undefined;
};

type Size = { readonly width: number; readonly height: number; readonly ms: number };

/** A size is worth decoding for when it is shown for this share of the time. */
const WORTH = 0.1;
/** Moments in the large may be enlarged by this. */
const MAX_ENLARGED = 3;
/** Who is out of sight for less than this is decoded on; the last picture before coming back is needed as well. */
const HIDDEN_MS = 10_000;
const BEFORE_MS = 5000;
/** Longer than any side. */
const MAX_SIDE = 1 << 16;
/** Parts of a clip that are told apart. */
const MAX_SPANS = 100;

/** Every clip that is to be seen, and how. */
export function clipUses(plan: Plan): ClipUse[] {
  const shown = new Map<Clip, { readonly spans: Span[]; readonly sizes: Map<number, Size> }>();
  for (const [i, scene] of plan.scenes.entries()) {
    const span = { fromMs: scene.fromMs, toMs: plan.scenes[i + 1]?.fromMs ?? plan.toMs };
    for (const { clip, width, height } of scene.tiles) {
      if (!clip) continue;
      const use = shown.get(clip) ?? { spans: [], sizes: new Map<number, Size>() };
      shown.set(clip, use);
      use.spans.push(span);
      const key = width * MAX_SIDE + height;
      const ms = (use.sizes.get(key)?.ms ?? 0) + span.toMs - span.fromMs;
      use.sizes.set(key, { width, height, ms });
    }
  }
  return [...shown].map(([clip, { spans, sizes }]) => ({
    clip,
    ...bestSize([...sizes.values()]),
    spans: worthCutting(spans, clip),
  }));
}

/** A size that is shown for long, so that most pictures need no scaling; not one that is far too small for the largest. */
function bestSize(sizes: readonly Size[]) {
  const total = sizes.reduce((n, s) => n + s.ms, 0);
  const sorted = sizes.toSorted((a, b) => b.width * b.height - a.width * a.height);
  const largest = sorted[0];
  const usual = sorted.findIndex((s) => s.ms >= WORTH * total);
  const enough = sorted
    .slice(0, usual + 1)
    .findLast(
      (s) => largest && s.width * MAX_ENLARGED >= largest.width && s.height * MAX_ENLARGED >= largest.height,
    );
  const { width, height } = enough ?? largest ?? { width: 2, height: 2 };
  return { width, height };
}

function worthCutting(spans: readonly Span[], clip: Clip): Span[] | undefined {
  const early = spans.map((s) => ({ fromMs: s.fromMs - BEFORE_MS, toMs: s.toMs }));
  let gap = HIDDEN_MS;
  let merged = mergeSpans(early, gap);
  while (merged.length > MAX_SPANS) {
    gap *= 2;
    merged = mergeSpans(early, gap);
  }
  const first = merged[0];
  const all =
    merged.length === 1 && first && first.fromMs <= clip.fromMs && first.toMs >= clip.toMs - HIDDEN_MS;
  return all ? undefined : merged;
}
