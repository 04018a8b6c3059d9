/** Something to time, again and again. */
export type Subject = {
  /** Untimed, before every run. */
  readonly prepare?: () => void;
  /** One run; returns how many units (packets, blocks) it handled. */
  readonly run: () => number;
};

/** Nanoseconds per unit over all runs. */
export type Timing = { readonly median: number; readonly min: number; readonly units: number };

/** How to measure. */
export type MeasureOptions = {
  /** Runs before the ones that count: the compiler needs them. */
  readonly warmUps: number;
  readonly runs: number;
  /** Nanoseconds from any origin. */
  readonly now: () => number;
};

/**
 * Times subjects in turns, so that a busy moment of the machine hits all of them alike. One timing per
 * subject, in order.
 */
export function measure(subjects: readonly Subject[], o: MeasureOptions): Timing[] {
  const times: number[][] = subjects.map(() => []);
  const units = subjects.map(() => 0);
  for (let run = -o.warmUps; run < o.runs; run++) {
    for (const [i, s] of subjects.entries()) {
      s.prepare?.();
      const from = o.now();
      const n = s.run();
      const took = o.now() - from;
      if (run < 0) continue;
      times[i]?.push(took / n);
      units[i] = n;
    }
  }
  return times.map((t, i) => ({ median: median(t), min: Math.min(...t), units: units[i] ?? 0 }));
}

/** The middle value; of an even number of values the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** `ours` and a peer's time as fields of a result; `ratio`: our time as a share of the peer's. */
export function againstPeer(
  ours: Timing,
  peer: string,
  theirs: Timing,
): { peer: string; peerNsPerPacket: number; ratio: number } {
  return {
    peer,
    peerNsPerPacket: Math.round(theirs.median),
    ratio: Number((ours.median / theirs.median).toFixed(3)),
  };
}
