import { describe, expect, it } from "vitest";
import {
  isOpusDtx,
  OPUS_SILENCE,
  OPUS_SILENCE_US,
  opusHead,
  opusPacketDuration,
} from "../../../src/core/codecs/opus-packet.ts";
import { hex } from "./hex.ts";
import { opusFrameLengths } from "./opus.cases.ts";

describe("packet length from the TOC byte (RFC 6716 section 3.1)", () => {
  it.each(opusFrameLengths.map((tenths, config) => [config, tenths] as const))(
    "configuration %i has frames of %i tenths of a millisecond",
    (config, tenths) => {
      const frame = tenths * 100;
      for (const stereo of [0, 4]) {
        const toc = (config << 3) | stereo;
        expect(opusPacketDuration(Uint8Array.of(toc))).toBe(frame);
        expect(opusPacketDuration(Uint8Array.of(toc | 1, 0, 0))).toBe(2 * frame);
        expect(opusPacketDuration(Uint8Array.of(toc | 2, 0, 0))).toBe(2 * frame);
        for (let count = 0; count < 64; count++) {
          const sum = count * frame;
          const expected = sum > 0 && sum <= 120_000 ? sum : undefined;
          for (const paddingAndVbr of [0, 0x40, 0x80, 0xc0]) {
            expect(opusPacketDuration(Uint8Array.of(toc | 3, count | paddingAndVbr))).toBe(expected);
          }
        }
      }
    },
  );
});

it("silence is one packet of 20 ms and not DTX", () => {
  expect(opusPacketDuration(OPUS_SILENCE)).toBe(OPUS_SILENCE_US);
  expect(isOpusDtx(OPUS_SILENCE)).toBe(false);
  expect(isOpusDtx(hex("f8"))).toBe(true);
  expect(isOpusDtx(hex("f8 ff"))).toBe(true);
});

it("writes the identification header (RFC 7845 section 5.1)", () => {
  expect(opusHead({ channels: 2 })).toEqual(hex("4f70757348656164 01 02 0000 80bb0000 0000 00"));
  expect(opusHead({ channels: 2, preSkip: 312 })).toEqual(
    hex("4f70757348656164 01 02 3801 80bb0000 0000 00"),
  );
  const mapping = { streams: 4, coupled: 2, channelMapping: [0, 4, 1, 2, 3, 5] };
  expect(opusHead({ channels: 6, mapping })).toEqual(
    hex("4f70757348656164 01 06 0000 80bb0000 0000 01 04 02 00 04 01 02 03 05"),
  );
});
