import { describe, expect, it } from "vitest";
import { h265 } from "../../../src/core/codecs/h265.ts";
import { H265Depacketizer } from "../../../src/core/codecs/h265-depacketizer.ts";
import { h265ParameterSetsOf, hevcDecoderConfig } from "../../../src/core/codecs/h265-hvcc.ts";
import { parseH265Sps } from "../../../src/core/codecs/h265-sps.ts";
import { BitWriter } from "./bit-writer.ts";
import { annexB } from "./h264.cases.ts";
import {
  aggregation,
  fragments,
  h265Cra,
  h265DiscardableSlice,
  h265Idr,
  h265SecondSlice,
  h265Sei,
  h265Sets,
  h265Slice,
} from "./h265.cases.ts";
import { hex } from "./hex.ts";

const { vps, sps494x370, sps640x480, sps422, sps444, pps } = h265Sets;
const b64 = (b: Uint8Array) => Buffer.from(b).toString("base64");

describe("sequence parameter sets", () => {
  it.each([
    ["a conformance window", sps494x370, 494, 370, 1, 8, 1],
    ["whole blocks", sps640x480, 640, 480, 1, 8, 1],
    ["4:2:2, 10 bit, two temporal layers", sps422, 322, 242, 2, 10, 2],
    ["4:4:4", sps444, 320, 240, 3, 8, 1],
  ])("reads one with %s", (_, sps, width, height, chromaFormat, lumaDepth, temporalLayers) => {
    expect(parseH265Sps(sps)).toMatchObject({
      id: 0,
      vpsId: 0,
      width,
      height,
      chromaFormat,
      lumaDepth,
      chromaDepth: lumaDepth,
      temporalLayers,
    });
  });

  it("gives profile, tier, level and flags without emulation prevention", () => {
    expect(parseH265Sps(sps494x370)?.profileTierLevel).toEqual(hex("01 60000000 900000000000 3f"));
  });

  it("skips the profiles and levels of sub-layers", () => {
    const w = new BitWriter().u(8, 0x42).u(8, 1).u(4, 2).u(3, 2).u(1, 1);
    for (let i = 0; i < 11; i++) w.u(8, 0x55);
    w.u(8, 93);
    // The first sub-layer has a profile, the second a profile and a level.
    w.u(2, 0b10).u(2, 0b11).u(12, 0);
    for (let i = 0; i < 11 + 12; i++) w.u(8, 0xff);
    w.ue(7).ue(1).ue(320).ue(240).u(1, 0).ue(0).ue(0);
    expect(parseH265Sps(w.bytes())).toMatchObject({ id: 7, vpsId: 2, temporalLayers: 3, width: 320 });
  });

  it("refuses impossible values", () => {
    const sps = (o: { subLayers?: number; id?: number; chroma?: number; width?: number; crop?: number }) => {
      const w = new BitWriter()
        .u(8, 0x42)
        .u(8, 1)
        .u(4, 0)
        .u(3, o.subLayers ?? 0)
        .u(1, 1);
      for (let i = 0; i < 12; i++) w.u(8, 1);
      w.ue(o.id ?? 0)
        .ue(o.chroma ?? 1)
        .ue(o.width ?? 64)
        .ue(64)
        .u(1, 1);
      return w
        .ue(o.crop ?? 0)
        .ue(0)
        .ue(0)
        .ue(0)
        .ue(0)
        .ue(0)
        .bytes();
    };
    expect(parseH265Sps(sps({ crop: 3 }))).toMatchObject({ width: 58, height: 64 });
    for (const o of [
      { subLayers: 7 },
      { id: 16 },
      { chroma: 4 },
      { width: 20_000 },
      { width: 0 },
      { crop: 32 },
    ]) {
      expect(parseH265Sps(sps(o))).toBeUndefined();
    }
  });

  it("refuses every truncation of its fields", () => {
    for (let n = 0; n < 24; n++) expect(parseH265Sps(sps640x480.subarray(0, n))).toBeUndefined();
    expect(parseH265Sps(pps)).toBeUndefined();
    expect(parseH265Sps(vps)).toBeUndefined();
  });
});

describe("parameter sets of a track", () => {
  it("come from the description", () => {
    const fmtp = `level-id=93; sprop-vps=${b64(vps)};sprop-sps=${b64(sps494x370)} ; sprop-pps=${b64(pps)}`;
    expect(new H265Depacketizer(fmtp).join([h265Idr])).toEqual({
      data: annexB(vps, sps494x370, pps, h265Idr),
      keyframe: true,
      width: 494,
      height: 370,
    });
    const others = `sprop-vps=${b64(vps)};sprop-sps=${b64(sps640x480)},${b64(sps494x370)};sprop-pps=${b64(pps)}`;
    expect(new H265Depacketizer(others).join([h265Idr])?.width).toBe(494);
    expect(new H265Depacketizer("sprop-vps=%%;sprop-sps=A;sprop-pps=").join([h265Idr])).toBeUndefined();
  });

  it("are remembered from an access unit of their own and put before a picture that lacks them", () => {
    const d = h265.depacketizer();
    expect(d.join([aggregation(vps, sps494x370, pps)])).toBeUndefined();
    for (const picture of [h265Idr, h265Cra]) {
      expect(d.join([picture])?.data).toEqual(annexB(vps, sps494x370, pps, picture));
    }
    expect(d.join([h265Slice])?.data).toEqual(annexB(h265Slice));
  });

  it("change the picture size when they change", () => {
    const d = h265.depacketizer();
    const width = (...nals: Uint8Array[]) => d.join([...nals, h265Idr])?.width;
    expect(width(vps, sps494x370, pps)).toBe(494);
    expect(width(sps640x480)).toBe(640);
    expect(width()).toBe(640);
    expect(width(vps, sps494x370, pps)).toBe(494);
  });

  it("of upper layers are not taken", () => {
    const upper = Uint8Array.from(sps640x480);
    upper[1] = (upper[1] ?? 0) | 8;
    const d = h265.depacketizer();
    expect(d.join([vps, sps494x370, upper, pps, h265Idr])).toEqual({
      data: annexB(vps, sps494x370, pps, h265Idr),
      keyframe: true,
      width: 494,
      height: 370,
    });
  });

  it("are sent again before a random access picture that comes without", () => {
    const sender = h265.packetizer();
    const o = { keyframe: true, maxPayload: 1200 };
    const first = sender.packetize(annexB(vps, sps494x370, pps, h265Idr), o);
    expect(sender.packetize(annexB(h265Idr), o)).toEqual(first);
    expect(sender.packetize(annexB(h265Slice), { ...o, keyframe: false }).map((c) => c.payload)).toEqual([
      h265Slice,
    ]);
  });

  it("go separately, in fragments if need be, when they do not fit one packet", () => {
    const sent = h265.packetizer().packetize(annexB(vps, sps640x480, pps), {
      keyframe: false,
      maxPayload: 30,
    });
    const [first, , , last] = sent.map((c) => c.payload);
    expect([first, last, sent.length]).toEqual([vps, pps, 4]);
  });
});

describe("decoding order numbers", () => {
  const donl = [0x12, 0x34];
  const withDonl = (nal: Uint8Array) => Uint8Array.from([...nal.subarray(0, 2), ...donl, ...nal.subarray(2)]);
  const packet = aggregation(vps, sps494x370, pps);
  const [h0 = 0, h1 = 0] = packet;
  const numbered = Uint8Array.from([
    ...[h0, h1, ...donl, 0, vps.length, ...vps],
    ...[0, 0, sps494x370.length, ...sps494x370],
    ...[0, 0, pps.length, ...pps],
  ]);

  it.each([
    ["single NAL unit packets", [vps, sps494x370, pps, h265Idr].map(withDonl)],
    ["aggregation packets", [numbered, withDonl(h265Idr)]],
    ["fragments", [numbered, ...fragments(h265Idr, 8, donl)]],
  ])("are read over in %s where they were declared", (_, payloads) => {
    const d = h265.depacketizer("sprop-max-don-diff=1");
    expect(payloads.every((p) => d.inspect(p))).toBe(true);
    expect(d.join(payloads)?.data).toEqual(annexB(vps, sps494x370, pps, h265Idr));
    expect(d.inspect(payloads.at(-1) ?? vps)).toMatchObject({ keyframe: true });
  });

  it.each(["", "sprop-max-don-diff=0", "sprop-depack-buf-nalus=4"])("are not looked for with %j", (fmtp) => {
    const d = h265.depacketizer(fmtp);
    expect(d.join([packet, h265Idr])?.data).toEqual(annexB(vps, sps494x370, pps, h265Idr));
  });

  it("missing where they were declared is malformed", () => {
    const d = h265.depacketizer("sprop-max-don-diff=32767");
    for (const p of ["2801af", "620194 1234", "6001 1234 0009 2801"])
      expect(d.inspect(hex(p))).toBeUndefined();
  });
});

describe("what a payload says", () => {
  const d = h265.depacketizer();
  const second = fragments(h265Idr, 8)[1] ?? h265Idr;
  it.each([
    ["a first slice", h265Slice, { start: true, keyframe: false, discardable: false, media: true }],
    ["a further slice", h265SecondSlice, { start: false, keyframe: false, discardable: false, media: true }],
    ["a slice nobody refers to", h265DiscardableSlice, { start: true, discardable: true, media: true }],
    ["an IDR slice", h265Idr, { start: true, keyframe: true, discardable: false, media: true }],
    ["a CRA slice", h265Cra, { start: true, keyframe: true, discardable: false, media: true }],
    [
      "an IDR slice behind SEI in an aggregation packet",
      aggregation(h265Sei, h265Idr),
      { start: true, keyframe: true, media: true },
    ],
    [
      "a further slice and what follows it in an aggregation packet",
      aggregation(h265SecondSlice, h265Slice),
      { start: false, media: true },
    ],
    ["a later fragment of an IDR slice", second, { start: false, keyframe: true, media: true }],
    ["a VPS", vps, { start: true, keyframe: false, discardable: false, media: false }],
    ["SEI", h265Sei, { start: false, keyframe: false, discardable: false, media: false }],
    ["a slice of an upper layer", hex("2809af08"), { start: false, keyframe: false, media: false }],
    ["an unspecified type", hex("7e01 00"), { media: false }],
  ])("%s", (_, payload, expected) => {
    expect(d.inspect(payload)).toMatchObject(expected);
  });

  it.each([
    ["nothing", hex("")],
    ["half a header", hex("28")],
    ["a PACI packet", hex("6401 0200 d01157")],
    ["an aggregation packet without a NAL unit", hex("6001")],
    ["an aggregation packet whose first length is 0", hex("6001 0000 0201")],
    ["an aggregation packet whose first NAL unit is half a header", hex("6001 0001 02")],
    ["an aggregation packet whose first NAL unit is cut", hex("6001 0009 0201d0")],
    ["a fragment that starts and ends at once", hex("6201 d4 af08")],
    ["a first fragment without data", hex("6201 94")],
    ["a fragment without its header", hex("6201")],
    ["a fragment of an aggregation packet", hex("6201 b0 0001")],
  ])("refuses %s", (_, payload) => {
    expect(d.inspect(payload)).toBeUndefined();
  });
});

describe("for Matroska and MP4", () => {
  it("finds the parameter sets of an access unit, each once", () => {
    expect(h265ParameterSetsOf(annexB(vps, sps494x370, pps, vps, sps494x370, pps, h265Idr))).toEqual({
      vps: [vps],
      sps: [sps494x370],
      pps: [pps],
    });
    expect(h265ParameterSetsOf(annexB(sps494x370, pps, h265Idr))).toBeUndefined();
  });

  it("writes hvcC (ISO/IEC 14496-15 section 8.3.3.1)", () => {
    expect(hevcDecoderConfig({ vps: [vps], sps: [sps494x370], pps: [pps] })).toEqual(
      Uint8Array.from([
        ...hex("01 01 60000000 900000000000 3f f000 fc fd f8 f8 0000 0f 03"),
        ...[32, 0, 1, 0, vps.length, ...vps],
        ...[33, 0, 1, 0, sps494x370.length, ...sps494x370],
        ...[34, 0, 1, 0, pps.length, ...pps],
      ]),
    );
    const deep = hevcDecoderConfig({ vps: [vps], sps: [sps422], pps: [pps, pps] });
    expect(deep?.subarray(12, 23)).toEqual(hex("3c f000 fc fe fa fa 0000 13 03"));
    expect(hevcDecoderConfig({ vps: [vps], sps: [pps], pps: [pps] })).toBeUndefined();
  });
});
