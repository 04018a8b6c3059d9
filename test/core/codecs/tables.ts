import type { CodecName } from "../../../src/core/frame.ts";
import { av1Cases } from "./av1.cases.ts";
import type { CodecCase } from "./codec-case.ts";
import { octetCases } from "./g711.cases.ts";
import { h264Cases } from "./h264.cases.ts";
import { h265Cases } from "./h265.cases.ts";
import { multiopusCases, multiopusFmtp } from "./multiopus.cases.ts";
import { opusCases } from "./opus.cases.ts";
import { vp8Cases } from "./vp8.cases.ts";
import { vp9Cases } from "./vp9.cases.ts";

/** The wire examples of every codec: what encoding, decoding, assembling and fuzzing are tested with. */
export const codecTables: Partial<Record<CodecName, readonly CodecCase[]>> = {
  opus: opusCases,
  multiopus: multiopusCases,
  g722: octetCases,
  pcmu: octetCases,
  pcma: octetCases,
  vp8: vp8Cases,
  h264: h264Cases,
  h265: h265Cases,
  vp9: vp9Cases,
  av1: av1Cases,
};

/** The a=fmtp value of codecs that cannot do without. */
export const codecFmtp: Partial<Record<CodecName, string>> = { multiopus: multiopusFmtp };
