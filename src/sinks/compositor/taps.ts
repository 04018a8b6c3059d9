/** Which pixels of a line make each pixel of a line of another length, and how much of it; `count` for each. */
export type Taps = { readonly count: number; readonly index: Int32Array; readonly weight: Float32Array };

/** Pixels looked at for one of a much smaller picture, at most, along one axis. */
const MAX_TAPS = 4;

const cache = new Map<string, Taps>();
const MAX_CACHED = 256;

/** How to bring a line of `from` pixels to `to`: between neighbours where it grows, an average where it shrinks. */
export function axisTaps(from: number, to: number): Taps {
  const key = `${from}/${to}`;
  const known = cache.get(key);
  if (known) return known;
  const taps = make(from, to);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, taps);
  return taps;
}

function make(from: number, to: number): Taps {
  const step = from / to;
  const count = Math.max(2, Math.min(MAX_TAPS, Math.ceil(step)));
  const index = new Int32Array(to * count);
  const weight = new Float32Array(to * count);
  const clamp = (i: number) => Math.max(0, Math.min(from - 1, i));
  for (let i = 0; i < to; i++) {
    if (step <= count && count === 2) {
      const at = (i + 0.5) * step - 0.5;
      const first = Math.floor(at);
      index.set([clamp(first), clamp(first + 1)], 2 * i);
      weight.set([1 - (at - first), at - first], 2 * i);
      continue;
    }
    for (let k = 0; k < count; k++) {
      index[i * count + k] = clamp(Math.floor((i + (k + 0.5) / count) * step));
      weight[i * count + k] = 1 / count;
    }
  }
  return { count, index, weight };
}
