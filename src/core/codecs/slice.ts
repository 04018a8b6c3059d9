/**
 * Cuts `b` into the fewest slices of at most `max` bytes, all of nearly the same size: a keyframe then has no
 * runt at its end. Shares the memory of `b`; no slices for an empty array.
 */
export function sliceEvenly(b: Uint8Array, max: number): Uint8Array[] {
  const count = Math.ceil(b.length / max);
  const out: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    out.push(b.subarray(Math.floor((i * b.length) / count), Math.floor(((i + 1) * b.length) / count)));
  }
  return out;
}
