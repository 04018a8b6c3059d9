import { BitReader } from "./bit-reader.ts";
import { H265_HEADER, H265NalType, h265NalType } from "./h265-nal.ts";
import { readProfileTierLevel } from "./h265-profile.ts";

/** What the program needs of a sequence parameter set (ISO/IEC 23008-2 section 7.3.2.2.1). */
export type H265Sps = {
  readonly id: number;
  readonly vpsId: number;
  /** Temporal layers, 1 to 7, and whether switching up between them is always possible. */
  readonly temporalLayers: number;
  readonly temporalIdNested: boolean;
  /** See `readProfileTierLevel`. */
  readonly profileTierLevel: Uint8Array;
  /** chroma_format_idc: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly lumaDepth: number;
  readonly chromaDepth: number;
  /** Pixels inside the conformance window. */
  readonly width: number;
  readonly height: number;
};

/** More than any level allows, small enough that sizes stay sane. */
const MAX_SIDE = 16_384;
/** As far as a decoder configuration record can say it. */
const MAX_DEPTH = 15;

/** Parses an SPS NAL unit, header included; undefined when it is cut short or makes no sense. */
export function parseH265Sps(nal: Uint8Array): H265Sps | undefined {
  if (h265NalType(nal) !== H265NalType.sps) return undefined;
  const r = new BitReader(nal, H265_HEADER);
  const vpsId = r.bits(4);
  const maxSubLayersMinus1 = r.bits(3);
  const temporalIdNested = r.bit() === 1;
  if (maxSubLayersMinus1 > 6) return undefined;
  const profileTierLevel = readProfileTierLevel(r, maxSubLayersMinus1);
  const id = r.ue();
  const chromaFormat = r.ue();
  const separatePlanes = chromaFormat === 3 && r.bit() === 1;
  const codedWidth = r.ue();
  const codedHeight = r.ue();
  const cropped = r.bit() === 1;
  const [left, right, top, bottom] = cropped ? [r.ue(), r.ue(), r.ue(), r.ue()] : [0, 0, 0, 0];
  const lumaDepth = 8 + r.ue();
  const chromaDepth = 8 + r.ue();
  if (r.overrun || id > 15 || chromaFormat > 3) return undefined;
  if (codedWidth > MAX_SIDE || codedHeight > MAX_SIDE || lumaDepth > MAX_DEPTH || chromaDepth > MAX_DEPTH) {
    return undefined;
  }
  // Table 6-1: chroma subsampling gives the unit of the window; separate planes count as grey.
  const planes = separatePlanes ? 0 : chromaFormat;
  const width = codedWidth - (planes === 1 || planes === 2 ? 2 : 1) * (left + right);
  const height = codedHeight - (planes === 1 ? 2 : 1) * (top + bottom);
  if (width <= 0 || height <= 0) return undefined;
  return {
    id,
    vpsId,
    temporalLayers: maxSubLayersMinus1 + 1,
    temporalIdNested,
    profileTierLevel,
    chromaFormat,
    lumaDepth,
    chromaDepth,
    width,
    height,
  };
}
