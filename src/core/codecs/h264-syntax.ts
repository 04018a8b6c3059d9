import { isVcl, NalType, nalType } from "./h264-nal.ts";
import { parsePpsIds, parseSps, slicePpsId } from "./h264-sps.ts";
import type { NalRole, NalSyntax, ParameterSet } from "./nal-syntax.ts";

function role(b: Uint8Array, i: number): NalRole {
  const type = nalType(b, i);
  if (type === NalType.idr) return "key";
  if (isVcl(type)) return "slice";
  if (type === NalType.sps || type === NalType.pps) return "set";
  if (type === NalType.sei) return "sei";
  const carried = type > 0 && type < NalType.stapA && type !== NalType.delimiter && type !== NalType.filler;
  return carried ? "other" : "drop";
}

function parseSet(nal: Uint8Array): ParameterSet | undefined {
  if (nalType(nal) === NalType.sps) {
    const sps = parseSps(nal);
    return sps && { depth: 0, id: sps.id, parentId: 0, width: sps.width, height: sps.height };
  }
  const pps = parsePpsIds(nal);
  return pps && { depth: 1, id: pps.id, parentId: pps.spsId };
}

/** H.264: slices name a PPS, which names an SPS (ISO/IEC 14496-10 section 7.3). */
export const h264Syntax: NalSyntax = {
  headerLength: 1,
  pictureSetDepth: 1,
  role,
  parseSet,
  slicePictureSet: slicePpsId,
};
