import { concat } from "../bytes.ts";
import { ObuType, sizedObuHeader, splitObus } from "./av1-obu.ts";
import { parseAv1Sequence } from "./av1-sequence.ts";

/** The first sequence header OBU of a temporal unit, with its size; undefined: none is inside. */
export function av1SequenceHeaderOf(unit: Uint8Array): Uint8Array | undefined {
  const obu = splitObus(unit).find((o) => o.type === ObuType.sequenceHeader);
  if (!obu) return undefined;
  return concat([sizedObuHeader(unit, obu.from, obu.end - obu.data), unit.subarray(obu.data, obu.end)]);
}

/**
 * AV1CodecConfigurationRecord, the "av1C" box and Matroska CodecPrivate (AV1 codec ISO media file format binding,
 * section 2.3), from a sequence header OBU with its size. undefined when that cannot be parsed.
 */
export function av1DecoderConfig(sequenceHeader: Uint8Array): Uint8Array | undefined {
  const [obu] = splitObus(sequenceHeader);
  const s = obu && parseAv1Sequence(sequenceHeader.subarray(0, obu.end), obu.data);
  if (!s) return undefined;
  const color =
    (s.tier << 7) |
    (s.highBitDepth ? 0x40 : 0) |
    (s.twelveBit ? 0x20 : 0) |
    (s.monochrome ? 0x10 : 0) |
    (s.subsamplingX << 3) |
    (s.subsamplingY << 2) |
    s.chromaSamplePosition;
  // Marker and version 1; the presentation delay is left unsaid.
  return concat([Uint8Array.of(0x81, (s.profile << 5) | s.level, color, 0), sequenceHeader]);
}
