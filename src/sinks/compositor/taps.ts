/** Which pixels of a line make each pixel of a line of another length, `count` for each, and how much of it: 256ths. */
export type Taps = { readonly count: 2 | 3; readonly index: Int32Array; readonly weight: Int32Array };

/** Pictures that shrink by more than this look at three pixels for one. */
const MANY = 2;

const cache = new Map<string, Taps>();
const MAX_CACHED = 256;

/** How to bring a line of `from` pixels to `to`: between neighbours where it grows, an average where it shrinks. */
export function axisTaps(from: number, to: number): Taps {
  const key = `${from}/${to}`;
  const known = cache.get(key);
  if (known) return known;
  const taps = from > MANY * to ? spread(from, to) : between(from, to);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, taps);
  return taps;
}

/** The two pixels on either side of each place. */
function between(from: number, to: number): Taps {
  const index = new Int32Array(2 * to);
  const weight = new Int32Array(2 * to);
  for (let i = 0; i < to; i++) {
    const at = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(at);
    const second = Math.round(256 * (at - first));
    index.set([Math.max(0, first), Math.min(from - 1, first + 1)], 2 * i);
    weight.set([256 - second, second], 2 * i);
  }
  return { count: 2, index, weight };
}

/** Three pixels, evenly over what becomes one. */
function spread(from: number, to: number): Taps {
  const index = Int32Array.from({ length: 3 * to }, (_, t) => Math.floor(((t + 0.5) * from) / (3 * to)));
  return { count: 3, index, weight: Int32Array.from(index, (_, t) => (t % 3 === 1 ? 86 : 85)) };
}
