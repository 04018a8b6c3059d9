import { BitReader } from "./bit-reader.ts";
import { NalType, nalType } from "./h264-nal.ts";

/** What the program needs of a sequence parameter set (ISO/IEC 14496-10 section 7.3.2.1.1). */
export type Sps = {
  readonly id: number;
  /** profile_idc, the constraint flags byte, level_idc. */
  readonly profile: number;
  readonly constraints: number;
  readonly level: number;
  /** chroma_format_idc: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly lumaDepth: number;
  readonly chromaDepth: number;
  /** Pixels after cropping. */
  readonly width: number;
  readonly height: number;
};

/** Profiles whose SPS carries chroma format, bit depths and scaling lists. */
const HIGH_PROFILES: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
]);

/** 16384 pixels: more than any level allows, small enough that sizes stay sane. */
const MAX_MBS = 1024;

/** Parses an SPS NAL unit, header byte included; undefined when it is cut short or makes no sense. */
export function parseSps(nal: Uint8Array): Sps | undefined {
  if (nal.length < 4 || nalType(nal) !== NalType.sps) return undefined;
  const r = new BitReader(nal, 1);
  const profile = r.bits(8);
  const constraints = r.bits(8);
  const level = r.bits(8);
  const id = r.ue();
  let chromaFormat = 1;
  let lumaDepth = 8;
  let chromaDepth = 8;
  let separatePlanes = 0;
  if (HIGH_PROFILES.has(profile)) {
    chromaFormat = r.ue();
    if (chromaFormat === 3) separatePlanes = r.bit();
    lumaDepth = 8 + r.ue();
    chromaDepth = 8 + r.ue();
    r.bit(); // qpprime_y_zero_transform_bypass_flag
    if (r.bit() === 1) skipScalingLists(r, chromaFormat === 3 ? 12 : 8);
  }
  r.ue(); // log2_max_frame_num_minus4
  if (!skipPictureOrder(r)) return undefined;
  r.ue(); // max_num_ref_frames
  r.bit(); // gaps_in_frame_num_value_allowed_flag
  const widthMbs = r.ue() + 1;
  const mapHeight = r.ue() + 1;
  const frameMbsOnly = r.bit();
  if (frameMbsOnly === 0) r.bit(); // mb_adaptive_frame_field_flag
  r.bit(); // direct_8x8_inference_flag
  const cropped = r.bit() === 1;
  const [left, right, top, bottom] = cropped ? [r.ue(), r.ue(), r.ue(), r.ue()] : [0, 0, 0, 0];
  if (r.overrun || id > 31 || chromaFormat > 3 || lumaDepth > 14 || chromaDepth > 14) return undefined;
  const heightMbs = (2 - frameMbsOnly) * mapHeight;
  if (widthMbs > MAX_MBS || heightMbs > MAX_MBS) return undefined;
  // Table 6-1: chroma subsampling gives the crop unit; separate planes count as grey.
  const planes = separatePlanes === 1 ? 0 : chromaFormat;
  const cropX = planes === 1 || planes === 2 ? 2 : 1;
  const cropY = (planes === 1 ? 2 : 1) * (2 - frameMbsOnly);
  const width = 16 * widthMbs - cropX * (left + right);
  const height = 16 * heightMbs - cropY * (top + bottom);
  if (width <= 0 || height <= 0) return undefined;
  return { id, profile, constraints, level, chromaFormat, lumaDepth, chromaDepth, width, height };
}

function skipScalingLists(r: BitReader, lists: number): void {
  for (let i = 0; i < lists && !r.overrun; i++) {
    if (r.bit() === 0) continue;
    const size = i < 6 ? 16 : 64;
    let next = 8;
    for (let j = 0; j < size && next !== 0 && !r.overrun; j++) next = (next + r.se() + 256) & 0xff;
  }
}

/** Skips the picture order count fields; false when they make no sense. */
function skipPictureOrder(r: BitReader): boolean {
  const type = r.ue();
  if (type === 0) r.ue(); // log2_max_pic_order_cnt_lsb_minus4
  if (type === 1) {
    r.bit(); // delta_pic_order_always_zero_flag
    r.se(); // offset_for_non_ref_pic
    r.se(); // offset_for_top_to_bottom_field
    const cycle = r.ue();
    if (cycle > 255) return false;
    for (let i = 0; i < cycle && !r.overrun; i++) r.se();
  }
  return type <= 2;
}

/** Ids of a picture parameter set NAL unit: its own and that of its SPS; undefined when malformed. */
export function parsePpsIds(nal: Uint8Array): { id: number; spsId: number } | undefined {
  if (nalType(nal) !== NalType.pps) return undefined;
  const r = new BitReader(nal, 1);
  const id = r.ue();
  const spsId = r.ue();
  return r.overrun || id > 255 || spsId > 31 ? undefined : { id, spsId };
}

/** Id of the PPS that a slice NAL unit uses (section 7.3.3); undefined when the header is cut short. */
export function slicePpsId(nal: Uint8Array): number | undefined {
  const r = new BitReader(nal, 1);
  r.ue(); // first_mb_in_slice
  r.ue(); // slice_type
  const id = r.ue();
  return r.overrun || id > 255 ? undefined : id;
}
