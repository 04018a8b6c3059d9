import { describe, expect, test } from "vitest";
import { av1DecoderConfig } from "../../../src/core/codecs/av1-config.ts";
import { avcDecoderConfig } from "../../../src/core/codecs/h264-avcc.ts";
import { hevcDecoderConfig } from "../../../src/core/codecs/h265-hvcc.ts";
import { annexBToLengths } from "../../../src/core/codecs/nal-lengths.ts";
import type { CodecName, Frame } from "../../../src/core/frame.ts";
import {
  codecOfMatroska,
  matroskaBlock,
  matroskaTrack,
  splitsFile,
} from "../../../src/sinks/recorder/matroska-codecs.ts";
import { av1Key, av1Sequences, obu } from "../../core/codecs/av1.cases.ts";
import { annexB, idr, sets } from "../../core/codecs/h264.cases.ts";
import { h265Idr, h265Sets } from "../../core/codecs/h265.cases.ts";
import { vp9Keyframes } from "../../core/codecs/vp9.cases.ts";
import { ms } from "./session.ts";

const keyframe = (codec: CodecName, ...nals: Uint8Array[]) => picture(codec, annexB(...nals));
const picture = (codec: CodecName, data: Uint8Array): Frame => ({
  codec,
  data,
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

test("VP9 needs no description", () => {
  const first = picture("vp9", vp9Keyframes.profile0);
  const track = matroskaTrack(1, "vp9", first);
  expect(track).toMatchObject({ kind: "video", codecId: "V_VP9", width: 640, height: 480 });
  expect(track).not.toHaveProperty("codecPrivate");
  expect(codecOfMatroska(track)).toBe("vp9");
  expect(matroskaBlock(first)).toBe(first.data);
  expect(splitsFile(first, picture("vp9", vp9Keyframes.profile1))).toBe(false);
});

describe("AV1 in Matroska", () => {
  const unit = (sequence: Uint8Array) => Uint8Array.from([...sequence, ...obu(6, av1Key)]);
  const { main64x48, tenBit } = av1Sequences;
  const first = picture("av1", unit(main64x48.obu));

  test("is described by the sequence header of its first frame", () => {
    const track = matroskaTrack(1, "av1", first);
    const codecPrivate = av1DecoderConfig(main64x48.obu);
    expect(codecPrivate).toBeDefined();
    expect(track).toMatchObject({ kind: "video", codecId: "V_AV1", codecPrivate });
    expect(codecOfMatroska(track)).toBe("av1");
    expect(matroskaBlock(first)).toBe(first.data);
  });

  test("needs another file where the sequence header changes", () => {
    const more = Uint8Array.from([...first.data, 0x7a, 1, 0x80]);
    expect(splitsFile(first, picture("av1", more))).toBe(false);
    expect(splitsFile(first, picture("av1", unit(tenBit.obu)))).toBe(true);
    expect(splitsFile(first, picture("av1", obu(6, av1Key)))).toBe(true);
  });
});
