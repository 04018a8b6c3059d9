/** What every ADTS frame repeats of an AudioSpecificConfig. */
export type AdtsFormat = {
  /** Audio object type of the core coder, 1..4. */
  readonly coreType: number;
  /** 0..12. */
  readonly frequencyIndex: number;
  /** Channel configuration, 1..7. */
  readonly channelConfig: number;
};

/** Octets of a header. */
export const ADTS_HEADER = 7;
/** Longest frame that a header can say. */
export const MAX_ADTS_DATA = 0x1fff - ADTS_HEADER;

/** The header of a raw AAC frame of `size` octets, at most `MAX_ADTS_DATA` (ISO/IEC 14496-3 annex 1.A.2), without CRC. */
export function adtsHeader(f: AdtsFormat, size: number): Uint8Array {
  const length = ADTS_HEADER + size;
  return Uint8Array.of(
    // Twelve bits of sync; MPEG-4, layer 0, no CRC.
    0xff,
    0xf1,
    ((f.coreType - 1) << 6) | (f.frequencyIndex << 2) | (f.channelConfig >> 2),
    (f.channelConfig << 6) | (length >> 11),
    length >> 3,
    // A buffer fullness of all ones: the bit rate varies. One frame behind the header.
    (length << 5) | 0x1f,
    0xfc,
  );
}
