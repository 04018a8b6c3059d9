import { describe, expect, test } from "vitest";
import { avcDecoderConfig } from "../../../src/core/codecs/h264-avcc.ts";
import { hevcDecoderConfig } from "../../../src/core/codecs/h265-hvcc.ts";
import { annexBToLengths } from "../../../src/core/codecs/nal-lengths.ts";
import type { CodecName, Frame } from "../../../src/core/frame.ts";
import {
  codecOfMatroska,
  matroskaBlock,
  matroskaTrack,
} from "../../../src/sinks/recorder/matroska-codecs.ts";
import { annexB, idr, sets } from "../../core/codecs/h264.cases.ts";
import { h265Idr, h265Sets } from "../../core/codecs/h265.cases.ts";
import { ms } from "./session.ts";

const keyframe = (codec: CodecName, ...nals: Uint8Array[]): Frame => ({
  codec,
  data: annexB(...nals),
  keyframe: true,
  time: ms(0),
  rtpTime: 0,
  lostBefore: 0,
  width: 640,
  height: 480,
});

describe.each([
  {
    first: keyframe("h264", sets.sps640x480, sets.pps, idr),
    codecId: "V_MPEG4/ISO/AVC",
    config: avcDecoderConfig([sets.sps640x480], [sets.pps]),
  },
  {
    first: keyframe("h265", h265Sets.vps, h265Sets.sps640x480, h265Sets.pps, h265Idr),
    codecId: "V_MPEGH/ISO/HEVC",
    config: hevcDecoderConfig({ vps: [h265Sets.vps], sps: [h265Sets.sps640x480], pps: [h265Sets.pps] }),
  },
])("$first.codec in Matroska", ({ first, codecId, config }) => {
  test("is described by its first frame", () => {
    const track = matroskaTrack(1, first.codec, first);
    expect(config).toBeDefined();
    expect(track).toMatchObject({ kind: "video", codecId, codecPrivate: config, width: 640, height: 480 });
    expect(codecOfMatroska(track)).toBe(first.codec);
  });

  test("has lengths for start codes in its blocks", () => {
    expect(matroskaBlock(first)).toEqual(annexBToLengths(first.data));
  });
});
