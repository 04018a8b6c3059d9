/** Resident memory of a process at a moment: minutes from the start, octets. */
export type MemorySample = { readonly minute: number; readonly rss: number };

/** How fast memory grows: least-squares slope, octets per minute. */
export function growthPerMinute(samples: readonly MemorySample[]): number {
  const n = samples.length || 1;
  const x = samples.reduce((s, p) => s + p.minute, 0) / n;
  const y = samples.reduce((s, p) => s + p.rss, 0) / n;
  const num = samples.reduce((s, p) => s + (p.minute - x) * (p.rss - y), 0);
  const den = samples.reduce((s, p) => s + (p.minute - x) ** 2, 0);
  return den > 0 ? Math.round(num / den) : 0;
}
