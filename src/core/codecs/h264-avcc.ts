import { putU16, putU32, u8 } from "../bytes.ts";
import { NalType, nalType, splitAnnexB } from "./h264-nal.ts";
import { parseSps } from "./h264-sps.ts";

/** Parameter sets found in an access unit, in order. */
export type ParameterSets = { readonly sps: readonly Uint8Array[]; readonly pps: readonly Uint8Array[] };

/** The SPS and PPS NAL units of an Annex B access unit; undefined unless it has at least one of both. */
export function parameterSetsOf(annexB: Uint8Array): ParameterSets | undefined {
  const nals = splitAnnexB(annexB);
  const sps = nals.filter((n) => nalType(n) === NalType.sps);
  const pps = nals.filter((n) => nalType(n) === NalType.pps);
  return sps.length > 0 && pps.length > 0 ? { sps, pps } : undefined;
}

/** Rewrites an Annex B access unit with 4-byte NAL lengths, as Matroska and MP4 hold it. */
export function annexBToAvcc(annexB: Uint8Array): Uint8Array {
  const nals = splitAnnexB(annexB);
  let size = 0;
  for (const nal of nals) size += 4 + nal.length;
  const out = new Uint8Array(size);
  let n = 0;
  for (const nal of nals) {
    putU32(out, n, nal.length);
    out.set(nal, n + 4);
    n += 4 + nal.length;
  }
  return out;
}

/**
 * AVCDecoderConfigurationRecord, the "avcC" box and Matroska CodecPrivate (ISO/IEC 14496-15 section 5.3.3.1),
 * for 4-byte NAL lengths. undefined when the first SPS cannot be parsed or a set is longer than 65535 bytes.
 */
export function avcDecoderConfig(
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
): Uint8Array | undefined {
  const first = sps[0];
  const info = first && parseSps(first);
  if (!first || !info || sps.length > 31 || pps.length === 0 || pps.length > 255) return undefined;
  const sets = [...sps, ...pps];
  if (sets.some((s) => s.length > 0xffff)) return undefined;
  // All but Baseline, Main and Extended carry chroma format and depths.
  const tail = ![66, 77, 88].includes(info.profile);
  const out = new Uint8Array(7 + sets.reduce((n, s) => n + 2 + s.length, 0) + (tail ? 4 : 0));
  out.set([1, u8(first, 1), u8(first, 2), u8(first, 3), 0xff, 0xe0 | sps.length]);
  let n = putSets(out, 6, sps);
  out[n++] = pps.length;
  n = putSets(out, n, pps);
  if (tail)
    out.set([0xfc | info.chromaFormat, 0xf8 | (info.lumaDepth - 8), 0xf8 | (info.chromaDepth - 8), 0], n);
  return out;
}

function putSets(out: Uint8Array, at: number, sets: readonly Uint8Array[]): number {
  let n = at;
  for (const s of sets) {
    putU16(out, n, s.length);
    out.set(s, n + 2);
    n += 2 + s.length;
  }
  return n;
}
