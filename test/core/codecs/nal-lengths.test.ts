import { describe, expect, test } from "vitest";
import { joinAnnexB } from "../../../src/core/codecs/annex-b.ts";
import { annexBToLengths, splitLengths } from "../../../src/core/codecs/nal-lengths.ts";
import { idr, sei, slice } from "./h264.cases.ts";

describe("NAL units with lengths", () => {
  test("an access unit is the same after both conversions", () => {
    const nals = [sei, idr, slice];
    expect(splitLengths(annexBToLengths(joinAnnexB(nals)), 4)).toEqual(nals);
  });

  test.each([1, 2, 4])("lengths of %d octets are read", (size) => {
    const prefix = new Array<number>(size - 1).fill(0);
    const bytes = Uint8Array.of(...prefix, 2, 0x65, 1, ...prefix, 1, 0x41);
    expect(splitLengths(bytes, size)).toEqual([Uint8Array.of(0x65, 1), Uint8Array.of(0x41)]);
  });

  test("a torn rest and empty units are left out at every cut", () => {
    const whole = annexBToLengths(joinAnnexB([idr, slice]));
    for (let n = 0; n < whole.length; n++) {
      const nals = splitLengths(whole.subarray(0, n), 4);
      expect(nals.length).toBe(n < 4 + idr.length ? 0 : 1);
    }
    expect(splitLengths(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 0x65), 4)).toEqual([Uint8Array.of(0x65)]);
    expect(splitLengths(new Uint8Array(12).fill(255), 4)).toEqual([]);
  });
});
