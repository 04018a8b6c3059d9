import type { CodecName } from "../frame.ts";
import { av1 } from "./av1.ts";
import type { Codec } from "./codec.ts";
import { pcma, pcmu } from "./g711.ts";
import { g722 } from "./g722.ts";
import { h264 } from "./h264.ts";
import { h265 } from "./h265.ts";
import { multiopus } from "./multiopus.ts";
import { opus } from "./opus.ts";
import { vp8 } from "./vp8.ts";
import { vp9 } from "./vp9.ts";

/** Codecs that can be received and sent, in order of preference within a kind. */
export const codecs: readonly Codec[] = [opus, multiopus, g722, pcmu, pcma, vp8, h264, vp9, av1, h265];

/** The codec an a=rtpmap names, compared without case; undefined when it is not supported. */
export function codecByRtpName(rtpName: string): Codec | undefined {
  const wanted = rtpName.toLowerCase();
  return codecs.find((c) => c.rtpName.toLowerCase() === wanted);
}

/** The codec of a frame or track; undefined when it is not supported. */
export function codecByName(name: CodecName): Codec | undefined {
  return codecs.find((c) => c.name === name);
}
