import { describe, expect, test } from "vitest";
import {
  annexBToAvcc,
  avcDecoderConfig,
  parseAvcDecoderConfig,
  splitAvcc,
} from "../../../src/core/codecs/h264-avcc.ts";
import { joinAnnexB } from "../../../src/core/codecs/h264-nal.ts";
import { idr, sei, sets, slice } from "./h264.cases.ts";

const { sps640x480, sps422, pps } = sets;

describe("NAL units with lengths", () => {
  test("an access unit is the same after both conversions", () => {
    const nals = [sei, idr, slice];
    expect(splitAvcc(annexBToAvcc(joinAnnexB(nals)), 4)).toEqual(nals);
  });

  test.each([1, 2, 4])("lengths of %d octets are read", (size) => {
    const prefix = new Array<number>(size - 1).fill(0);
    const bytes = Uint8Array.of(...prefix, 2, 0x65, 1, ...prefix, 1, 0x41);
    expect(splitAvcc(bytes, size)).toEqual([Uint8Array.of(0x65, 1), Uint8Array.of(0x41)]);
  });

  test("a torn rest and empty units are left out at every cut", () => {
    const whole = annexBToAvcc(joinAnnexB([idr, slice]));
    for (let n = 0; n < whole.length; n++) {
      const nals = splitAvcc(whole.subarray(0, n), 4);
      expect(nals.length).toBe(n < 4 + idr.length ? 0 : 1);
    }
    expect(splitAvcc(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0x65), 4)).toEqual([Uint8Array.of(0x65)]);
    expect(splitAvcc(new Uint8Array(12).fill(255), 4)).toEqual([]);
  });
});

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
