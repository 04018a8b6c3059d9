import { BitReader } from "./bit-reader.ts";

/** payloadType of the recovery point message, the same in H.264 and H.265. */
const RECOVERY_POINT = 6;
/** Encoders put it first; long messages of applications are not searched. */
const MAX_SEARCHED = 256;

/**
 * True when a recovery point is among the messages of an SEI NAL unit (ISO/IEC 14496-10 section D.1.8, 23008-2
 * section D.2.8): decoding from here on gives whole pictures after a while, without any IDR picture.
 */
export function hasRecoveryPoint(sei: Uint8Array, headerLength: number): boolean {
  const r = new BitReader(sei.subarray(0, MAX_SEARCHED), headerLength);
  for (;;) {
    const type = extensible(r);
    const size = extensible(r);
    if (r.overrun || size === 0) return false;
    if (type === RECOVERY_POINT) return true;
    for (let i = 0; i < size && !r.overrun; i++) r.bits(8);
  }
}

/** A number in octets, each 255 but the last. */
function extensible(r: BitReader): number {
  let sum = 0;
  let octet: number;
  do {
    octet = r.bits(8);
    sum += octet;
  } while (octet === 255 && !r.overrun);
  return sum;
}
