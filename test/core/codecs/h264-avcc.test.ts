import { describe, expect, test } from "vitest";
import { avcDecoderConfig, parseAvcDecoderConfig } from "../../../src/core/codecs/h264-avcc.ts";
import { sets } from "./h264.cases.ts";

const { sps640x480, sps422, pps } = sets;

describe("a decoder configuration record", () => {
  test.each([
    ["one set of each", [sps640x480], [pps]],
    ["several, with the tail of High profiles", [sps422, sps640x480], [pps, pps]],
  ])("written and read again: %s", (_, sps, pictures) => {
    expect(parseAvcDecoderConfig(avcDecoderConfig(sps, pictures) ?? new Uint8Array(0))).toEqual({
      lengthSize: 4,
      sps,
      pps: pictures,
    });
  });

  test("every truncation and other versions are refused", () => {
    const whole = avcDecoderConfig([sps640x480], [pps]) ?? new Uint8Array(0);
    expect(parseAvcDecoderConfig(whole)).toBeDefined();
    for (let n = 0; n < whole.length; n++)
      expect(parseAvcDecoderConfig(whole.subarray(0, n))).toBeUndefined();
    expect(parseAvcDecoderConfig(Uint8Array.of(2, ...whole.subarray(1)))).toBeUndefined();
    expect(parseAvcDecoderConfig(Uint8Array.of(1, 66, 0, 30, 0xff, 0xe0, 0))).toBeUndefined();
  });
});
