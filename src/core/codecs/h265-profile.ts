import type { BitReader } from "./bit-reader.ts";

/** Octets of the general part of profile_tier_level. */
const GENERAL_LENGTH = 12;

/**
 * The general part of profile_tier_level (ISO/IEC 23008-2 section 7.3.3), octet by octet as a decoder
 * configuration record repeats it: profile space, tier and profile; 4 of compatibility flags; 6 of constraint
 * flags; level. Leaves the reader behind the parts of the sub-layers.
 */
export function readProfileTierLevel(r: BitReader, maxSubLayersMinus1: number): Uint8Array {
  const general = new Uint8Array(GENERAL_LENGTH);
  for (let i = 0; i < GENERAL_LENGTH; i++) general[i] = r.bits(8);
  if (maxSubLayersMinus1 === 0) return general;
  let skip = 0;
  for (let i = 0; i < maxSubLayersMinus1; i++) {
    if (r.bit() === 1) skip += 88;
    if (r.bit() === 1) skip += 8;
  }
  r.bits(2 * (8 - maxSubLayersMinus1)); // reserved_zero_2bits
  for (let i = 0; i < skip; i += 8) r.bits(8);
  return general;
}
