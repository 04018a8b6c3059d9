/** A flash and a tone further apart than this, in seconds, do not belong together. */
const MAX_PAIR_S = 0.45;

/** Distances between flashes and their tones in milliseconds. Positive: the picture comes after the sound. */
export type OffsetSummary = {
  /** Flashes that have a tone. */
  readonly count: number;
  /** Median, with its sign. */
  readonly p50: number;
  /** 95 % are no further apart than this; without sign. */
  readonly p95: number;
  /** The furthest; without sign. */
  readonly max: number;
};

/** Pairs flashes with the nearest tone, both in seconds and in order: picture minus sound in milliseconds. */
export function pairOffsets(flashes: readonly number[], tones: readonly number[]): number[] {
  const out: number[] = [];
  let i = 0;
  for (const flash of flashes) {
    while (i + 1 < tones.length && Math.abs((tones[i + 1] ?? 0) - flash) <= Math.abs((tones[i] ?? 0) - flash))
      i++;
    const tone = tones[i];
    if (tone !== undefined && Math.abs(flash - tone) <= MAX_PAIR_S) out.push(1000 * (flash - tone));
  }
  return out;
}

/** Sums offsets up; of none, everything is 0. */
export function summarizeOffsets(offsets: readonly number[]): OffsetSummary {
  const signed = offsets.toSorted((a, b) => a - b);
  const sizes = offsets.map(Math.abs).sort((a, b) => a - b);
  return {
    count: offsets.length,
    p50: at(signed, 0.5),
    p95: at(sizes, 0.95),
    max: sizes.at(-1) ?? 0,
  };
}

/** For people, like `0.5 ms (p95 1.0 ms) in 9 flashes`. */
export function offsetInWords({ count, p50, p95 }: OffsetSummary): string {
  if (count === 0) return "no flash with its tone";
  return `${p50.toFixed(1)} ms (p95 ${p95.toFixed(1)} ms) in ${count} ${count === 1 ? "flash" : "flashes"}`;
}

/** Nearest-rank quantile of sorted values. */
function at(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
