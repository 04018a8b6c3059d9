import { u8 } from "../bytes.ts";
import { fmtpValue } from "../fmtp.ts";
import type { Packetizer } from "./codec.ts";
import { NalType } from "./h264-nal.ts";
import { h264Syntax } from "./h264-syntax.ts";
import { type NalPacketFormat, NalPacketizer } from "./nal-packetizer.ts";

/**
 * Single NAL unit mode (RFC 6184 section 6.2). A NAL unit too large for a packet goes in FU-A fragments all the
 * same: receivers read them whatever was agreed, and a picture that is not sent at all helps nobody.
 */
const mode0: NalPacketFormat = { syntax: h264Syntax, fragment };

/** Non-interleaved mode (section 6.3): parameter sets share a STAP-A. */
const mode1: NalPacketFormat = { ...mode0, aggregate };

/** Sending side (RFC 6184) in the packetization mode that the fmtp value names; without any: mode 1. */
export function h264Packetizer(fmtp: string | undefined): Packetizer {
  const single = fmtp !== undefined && (fmtpValue(fmtp, "packetization-mode") ?? "0") === "0";
  return new NalPacketizer(single ? mode0 : mode1);
}

/** Section 5.7.1: F is the OR of all, NRI the greatest of all. */
function aggregate(nals: readonly Uint8Array[]): Uint8Array {
  const f = nals.reduce((v, nal) => v | (u8(nal, 0) & 0x80), 0);
  const nri = Math.max(...nals.map((nal) => u8(nal, 0) & 0x60));
  return Uint8Array.of(f | nri | NalType.stapA);
}

/** FU indicator and FU header (section 5.8). */
function fragment(nal: Uint8Array): Uint8Array {
  const header = u8(nal, 0);
  return Uint8Array.of((header & 0xe0) | NalType.fuA, header & 0x1f);
}
