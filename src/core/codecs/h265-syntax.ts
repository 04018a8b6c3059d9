import { BitReader } from "./bit-reader.ts";
import { H265_HEADER, H265NalType, h265LayerId, h265NalType, isH265Vcl, isIrap } from "./h265-nal.ts";
import { parseH265Sps } from "./h265-sps.ts";
import type { NalRole, NalSyntax, ParameterSet } from "./nal-syntax.ts";

function role(b: Uint8Array, i: number): NalRole {
  const type = h265NalType(b, i);
  // Depth maps, second views and scalable layers: players decode the base layer.
  if (h265LayerId(b, i) > 0) return "drop";
  if (isIrap(type)) return "key";
  if (isH265Vcl(type)) return "slice";
  if (type <= H265NalType.pps) return "set";
  if (type === H265NalType.prefixSei) return "sei";
  const carried =
    type < H265NalType.aggregation && type !== H265NalType.delimiter && type !== H265NalType.filler;
  return carried ? "other" : "drop";
}

function parseSet(nal: Uint8Array): ParameterSet | undefined {
  if (h265LayerId(nal) > 0) return undefined;
  const type = h265NalType(nal);
  if (type === H265NalType.sps) {
    const sps = parseH265Sps(nal);
    return sps && { depth: 1, id: sps.id, parentId: sps.vpsId, width: sps.width, height: sps.height };
  }
  const r = new BitReader(nal, H265_HEADER);
  if (type === H265NalType.vps) {
    const id = r.bits(4);
    return r.overrun ? undefined : { depth: 0, id, parentId: 0 };
  }
  if (type !== H265NalType.pps) return undefined;
  const id = r.ue();
  const parentId = r.ue();
  return r.overrun || id > 63 || parentId > 15 ? undefined : { depth: 2, id, parentId };
}

/** Section 7.3.6.1. */
function slicePictureSet(nal: Uint8Array): number | undefined {
  const r = new BitReader(nal, H265_HEADER);
  r.bit(); // first_slice_segment_in_pic_flag
  if (isIrap(h265NalType(nal))) r.bit(); // no_output_of_prior_pics_flag
  const id = r.ue();
  return r.overrun || id > 63 ? undefined : id;
}

/** H.265: slices name a PPS, which names an SPS, which names a VPS (ISO/IEC 23008-2 section 7.3). */
export const h265Syntax: NalSyntax = {
  headerLength: H265_HEADER,
  pictureSetDepth: 2,
  role,
  parseSet,
  slicePictureSet,
};
