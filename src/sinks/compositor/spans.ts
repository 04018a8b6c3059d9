/** From one time to another, milliseconds; the end is not part of it. */
export type Span = { readonly fromMs: number; readonly toMs: number };

/** Spans in order, those that meet or are less than `gapMs` apart made one. Empty ones are left out. */
export function mergeSpans(spans: readonly Span[], gapMs = 0): Span[] {
  const out: { fromMs: number; toMs: number }[] = [];
  for (const { fromMs, toMs } of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = out.at(-1);
    if (!(toMs > fromMs)) continue;
    if (last && fromMs <= last.toMs + gapMs) last.toMs = Math.max(last.toMs, toMs);
    else out.push({ fromMs, toMs });
  }
  return out;
}

/** What of the spans is inside another one. */
export function clipSpans(spans: readonly Span[], { fromMs, toMs }: Span): Span[] {
  return spans
    .map((s) => ({ fromMs: Math.max(s.fromMs, fromMs), toMs: Math.min(s.toMs, toMs) }))
    .filter((s) => s.toMs > s.fromMs);
}

/** The span that a time is in. Spans are in order and do not overlap. */
export function spanAt(spans: readonly Span[], atMs: number): Span | undefined {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.toMs ?? 0) <= atMs) low = middle + 1;
    else high = middle;
  }
  const span = spans[low];
  return span && span.fromMs <= atMs ? span : undefined;
}
