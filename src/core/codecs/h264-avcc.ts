import { putU16, u8, u16 } from "../bytes.ts";
import { distinctNals, splitAnnexB } from "./annex-b.ts";
import { NalType, nalType } from "./h264-nal.ts";
import { parseSps } from "./h264-sps.ts";

/** Parameter sets found in an access unit, in order, each once. */
export type ParameterSets = { readonly sps: readonly Uint8Array[]; readonly pps: readonly Uint8Array[] };

/** The SPS and PPS NAL units of an Annex B access unit; undefined unless it has at least one of both. */
export function parameterSetsOf(annexB: Uint8Array): ParameterSets | undefined {
  const nals = splitAnnexB(annexB);
  const sps = distinctNals(nals.filter((n) => nalType(n) === NalType.sps));
  const pps = distinctNals(nals.filter((n) => nalType(n) === NalType.pps));
  return sps.length > 0 && pps.length > 0 ? { sps, pps } : undefined;
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

/** What an AVCDecoderConfigurationRecord says: octets of NAL lengths (1, 2 or 4), and the parameter sets. */
export type AvcDecoderConfig = ParameterSets & { readonly lengthSize: number };

/** Reads an AVCDecoderConfigurationRecord; undefined when it is malformed or has no sets. */
export function parseAvcDecoderConfig(b: Uint8Array): AvcDecoderConfig | undefined {
  if (b.length < 7 || u8(b, 0) !== 1) return undefined;
  const sps = takeSets(b, 6, u8(b, 5) & 0x1f);
  const pps = sps && takeSets(b, sps.end + 1, u8(b, sps.end));
  if (!sps || !pps || sps.sets.length === 0 || pps.sets.length === 0) return undefined;
  return { lengthSize: (u8(b, 4) & 3) + 1, sps: sps.sets, pps: pps.sets };
}

function takeSets(b: Uint8Array, at: number, count: number): { sets: Uint8Array[]; end: number } | undefined {
  const sets: Uint8Array[] = [];
  let n = at;
  for (let i = 0; i < count; i++) {
    const size = u16(b, n);
    if (n + 2 + size > b.length) return undefined;
    sets.push(b.subarray(n + 2, n + 2 + size));
    n += 2 + size;
  }
  return n <= b.length ? { sets, end: n } : undefined;
}
