import { u16 } from "../bytes.ts";
import type { PayloadInfo } from "./codec.ts";

/** What NAL units mean to frame assembly, as bits that add up over the NAL units of a packet. */
export const NalBit = {
  /** The first slice of a picture, or what stands before every other NAL unit of a picture. */
  start: 1,
  keyframe: 2,
  media: 4,
  /** Picture data that other pictures refer to. */
  reference: 8,
} as const;

/** One shared description per combination. */
const infos: readonly PayloadInfo[] = Array.from({ length: 16 }, (_, bits) => ({
  start: (bits & NalBit.start) !== 0,
  end: false,
  keyframe: (bits & NalBit.keyframe) !== 0,
  discardable: (bits & (NalBit.media | NalBit.reference)) === NalBit.media,
  media: (bits & NalBit.media) !== 0,
}));

/** The description that `NalBit`s stand for. */
export function nalInfo(bits: number): PayloadInfo | undefined {
  return infos[bits];
}

/** Bits of a packet so far and of its next NAL unit together: a picture starts only where none was before. */
export function addNalBits(soFar: number, next: number): number {
  return soFar | (soFar & NalBit.media ? next & ~NalBit.start : next);
}

/**
 * Visits the NAL units of an aggregation packet, which stand behind 16-bit lengths from byte `first` on with
 * `between` octets before each further length, up to the first one that is cut short or not longer than its header.
 */
export function forEachAggregated(
  p: Uint8Array,
  o: { first: number; between: number; headerLength: number },
  visit: (from: number, to: number) => void,
): void {
  let i = o.first;
  while (i + 2 < p.length) {
    const from = i + 2;
    const to = from + u16(p, i);
    if (to - from < o.headerLength || to > p.length) return;
    visit(from, to);
    i = to + o.between;
  }
}
