import { u8 } from "../../bytes.ts";

/** Where the checksum of a page stands in it (RFC 3533 section 6). */
export const CRC_AT = 22;
const CRC_END = CRC_AT + 4;

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

/**
 * Checksum of a page: CRC-32 with the polynomial 04C11DB7, not reflected, zero at the start, nothing inverted at the
 * end. The checksum's own place counts as zero.
 */
export function oggCrc(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const octet = i >= CRC_AT && i < CRC_END ? 0 : u8(page, i);
    crc = (crc << 8) ^ (table[(crc >>> 24) ^ octet] ?? 0);
  }
  return crc >>> 0;
}
