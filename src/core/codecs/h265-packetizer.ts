import { u8 } from "../bytes.ts";
import type { Packetizer } from "./codec.ts";
import { H265NalType } from "./h265-nal.ts";
import { h265Syntax } from "./h265-syntax.ts";
import { NalPacketizer } from "./nal-packetizer.ts";

/**
 * Sending side (RFC 7798): parameter sets in one aggregation packet, large NAL units in fragmentation units, in
 * decoding order and so without decoding order numbers.
 */
export function h265Packetizer(): Packetizer {
  return new NalPacketizer({ syntax: h265Syntax, aggregate, fragment });
}

/** Section 4.4.2: F is the OR of all; layer and temporal id are the lowest of all. */
function aggregate(nals: readonly Uint8Array[]): Uint8Array {
  const f = nals.reduce((v, nal) => v | (u8(nal, 0) & 0x80), 0);
  // Only the base layer is sent, so the second octet is the temporal id alone.
  const temporalId = Math.min(...nals.map((nal) => u8(nal, 1)));
  return Uint8Array.of(f | (H265NalType.aggregation << 1), temporalId);
}

/** Payload header and FU header (section 4.4.3). */
function fragment(nal: Uint8Array): Uint8Array {
  const header = u8(nal, 0);
  return Uint8Array.of((header & 0x81) | (H265NalType.fragmentation << 1), u8(nal, 1), (header >> 1) & 0x3f);
}
