import { u8 } from "../bytes.ts";

/** Frames that one index can describe. */
export const MAX_SUPERFRAME = 8;

/** True when an index that covers all of `data` stands at its end (VP9 bitstream specification annex B). */
export function hasSuperframeIndex(data: Uint8Array): boolean {
  const marker = u8(data, data.length - 1);
  if ((marker & 0xe0) !== 0xc0) return false;
  const octets = ((marker >> 3) & 3) + 1;
  const frames = (marker & 7) + 1;
  const start = data.length - (2 + octets * frames);
  if (start <= 0 || u8(data, start) !== marker) return false;
  let sum = 0;
  for (let i = 0; i < frames; i++) {
    for (let k = octets - 1, scale = 256 ** k; k >= 0; k--, scale /= 256) {
      sum += u8(data, start + 1 + i * octets + k) * scale;
    }
  }
  return sum === start;
}

/** Octets of the index of frames with these sizes. */
export function superframeIndexLength(sizes: readonly number[]): number {
  return 2 + sizeOctets(sizes) * sizes.length;
}

/** Writes the index of 1 to 8 frames with these sizes at `at`. */
export function writeSuperframeIndex(out: Uint8Array, at: number, sizes: readonly number[]): void {
  const octets = sizeOctets(sizes);
  const marker = 0xc0 | ((octets - 1) << 3) | (sizes.length - 1);
  let i = at;
  out[i++] = marker;
  for (const size of sizes) {
    for (let k = 0; k < octets; k++) out[i++] = size >>> (8 * k);
  }
  out[i] = marker;
}

function sizeOctets(sizes: readonly number[]): number {
  let largest = 0;
  for (const size of sizes) largest = Math.max(largest, size);
  return largest < 0x100 ? 1 : largest < 0x1_0000 ? 2 : largest < 0x100_0000 ? 3 : 4;
}
