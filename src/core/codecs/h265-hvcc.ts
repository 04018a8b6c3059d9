import { putU16 } from "../bytes.ts";
import { distinctNals, splitAnnexB } from "./annex-b.ts";
import { H265NalType, h265LayerId, h265NalType } from "./h265-nal.ts";
import { parseH265Sps } from "./h265-sps.ts";

/** Parameter sets found in an access unit, in order, each once. */
export type H265ParameterSets = {
  readonly vps: readonly Uint8Array[];
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
};

/** The parameter sets of an Annex B access unit; undefined unless it has at least one of each kind. */
export function h265ParameterSetsOf(annexB: Uint8Array): H265ParameterSets | undefined {
  const nals = splitAnnexB(annexB).filter((nal) => h265LayerId(nal) === 0);
  const ofType = (type: number) => distinctNals(nals.filter((nal) => h265NalType(nal) === type));
  const sets = {
    vps: ofType(H265NalType.vps),
    sps: ofType(H265NalType.sps),
    pps: ofType(H265NalType.pps),
  };
  return sets.vps.length > 0 && sets.sps.length > 0 && sets.pps.length > 0 ? sets : undefined;
}

const FIXED_LENGTH = 23;

/**
 * HEVCDecoderConfigurationRecord, the "hvcC" box and Matroska CodecPrivate (ISO/IEC 14496-15 section 8.3.3.1), for
 * 4-byte NAL lengths. undefined when the first SPS cannot be parsed or a set is longer than 65535 bytes.
 */
export function hevcDecoderConfig(sets: H265ParameterSets): Uint8Array | undefined {
  const info = sets.sps[0] && parseH265Sps(sets.sps[0]);
  const arrays = [sets.vps, sets.sps, sets.pps];
  if (!info || arrays.some((a) => a.some((nal) => nal.length > 0xffff))) return undefined;
  const size = arrays.reduce((n, a) => a.reduce((m, nal) => m + 2 + nal.length, n + 3), FIXED_LENGTH);
  const out = new Uint8Array(size);
  out[0] = 1;
  out.set(info.profileTierLevel, 1);
  // Reserved bits are ones; segmentation, parallelism and frame rate are left unsaid.
  out.set([0xf0, 0, 0xfc, 0xfc | info.chromaFormat, 0xf8 | (info.lumaDepth - 8)], 13);
  out[18] = 0xf8 | (info.chromaDepth - 8);
  out[21] = (info.temporalLayers << 3) | (info.temporalIdNested ? 4 : 0) | 3;
  out[22] = arrays.length;
  let n = FIXED_LENGTH;
  for (const [i, array] of arrays.entries()) {
    // array_completeness 0: sets may come in band too.
    out[n] = H265NalType.vps + i;
    putU16(out, n + 1, array.length);
    n += 3;
    for (const nal of array) {
      putU16(out, n, nal.length);
      out.set(nal, n + 2);
      n += 2 + nal.length;
    }
  }
  return out;
}
