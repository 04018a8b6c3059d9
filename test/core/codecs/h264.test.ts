import { describe, expect, it } from "vitest";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { avcDecoderConfig, parameterSetsOf } from "../../../src/core/codecs/h264-avcc.ts";
import { H264Depacketizer } from "../../../src/core/codecs/h264-depacketizer.ts";
import { parseSps } from "../../../src/core/codecs/h264-sps.ts";
import { annexBToLengths } from "../../../src/core/codecs/nal-lengths.ts";
import { BitWriter } from "./bit-writer.ts";
import { annexB, discardableSlice, fuA, idr, secondSlice, sei, sets, slice, stapA } from "./h264.cases.ts";
import { hex } from "./hex.ts";

const { sps494x370, sps640x480, sps1920x1080, sps422, sps444, spsInterlaced, pps } = sets;

const base64 = (b: Uint8Array) => Buffer.from(b).toString("base64");

describe("sequence parameter sets", () => {
  it.each([
    ["odd crop", sps494x370, 66, 494, 370, 1, 8],
    ["no crop", sps640x480, 66, 640, 480, 1, 8],
    ["1080 lines cropped from 1088", sps1920x1080, 66, 1920, 1080, 1, 8],
    ["4:2:2, 10 bit", sps422, 122, 494, 370, 2, 10],
    ["4:4:4", sps444, 244, 321, 241, 3, 8],
    ["interlaced", spsInterlaced, 100, 720, 576, 1, 8],
  ])("reads one with %s", (_, sps, profile, width, height, chromaFormat, lumaDepth) => {
    expect(parseSps(sps)).toMatchObject({ profile, width, height, chromaFormat, lumaDepth });
  });

  it("skips scaling lists and the second kind of picture order", () => {
    const w = new BitWriter().u(8, 0x67).u(8, 100).u(8, 0).u(8, 30).ue(3);
    w.ue(1).ue(0).ue(0).u(1, 0).u(1, 1);
    w.u(1, 1); // a list of 16: -8 from 8 makes 0, which ends it
    w.se(-8);
    w.u(1, 1); // a full list
    for (let i = 0; i < 16; i++) w.se(1);
    for (let i = 2; i < 8; i++) w.u(1, 0);
    w.ue(0).ue(1).u(1, 0).se(-3).se(4).ue(2).se(1).se(-1);
    w.ue(1).u(1, 0).ue(19).ue(14).u(1, 1).u(1, 1).u(1, 0);
    expect(parseSps(w.bytes())).toMatchObject({ id: 3, width: 320, height: 240 });
  });

  it("refuses every truncation of its fields and impossible values", () => {
    for (let n = 0; n < 8; n++) expect(parseSps(sps640x480.subarray(0, n))).toBeUndefined();
    expect(parseSps(pps)).toBeUndefined();
    const crop = new BitWriter().u(8, 0x67).u(8, 66).u(8, 0).u(8, 30).ue(0).ue(0).ue(2).ue(1).u(1, 0);
    crop.ue(0).ue(0).u(1, 1).u(1, 1).u(1, 1).ue(9).ue(0).ue(0).ue(0);
    expect(parseSps(crop.bytes())).toBeUndefined();
    const huge = new BitWriter().u(8, 0x67).u(8, 66).u(8, 0).u(8, 30).ue(0).ue(0).ue(2).ue(1).u(1, 0);
    huge.ue(70_000).ue(0).u(1, 1).u(1, 1).u(1, 0);
    expect(parseSps(huge.bytes())).toBeUndefined();
  });
});

describe("parameter sets of a track", () => {
  it("come from the description", () => {
    const fmtp = `packetization-mode=1; sprop-parameter-sets=${base64(sps494x370)},${base64(pps)};profile-level-id=42c015`;
    const frame = new H264Depacketizer(fmtp).join([idr]);
    expect(frame).toEqual({ data: annexB(sps494x370, pps, idr), keyframe: true, width: 494, height: 370 });
    expect(new H264Depacketizer("sprop-parameter-sets=%%,A").join([idr])).toBeUndefined();
  });

  it("are remembered from an access unit of their own and put before an IDR slice that lacks them", () => {
    const d = h264.depacketizer();
    expect(d.join([sps494x370, pps])).toBeUndefined();
    expect(d.join([idr])?.data).toEqual(annexB(sps494x370, pps, idr));
    expect(d.join([stapA(sps494x370, pps), idr])?.data).toEqual(annexB(sps494x370, pps, idr));
  });

  it("change the picture size when they change", () => {
    const d = h264.depacketizer();
    const size = (nal: Uint8Array) => {
      const f = d.join([stapA(nal, pps), idr]);
      return [f?.width, f?.height];
    };
    expect([size(sps494x370), size(sps494x370), size(sps640x480), size(sps494x370)]).toEqual([
      [494, 370],
      [494, 370],
      [640, 480],
      [494, 370],
    ]);
  });

  it("with other bytes and the same size are passed on and remembered", () => {
    const louder = Uint8Array.from(sps640x480);
    louder[3] = 31; // another level
    const d = h264.depacketizer();
    expect(d.join([stapA(sps640x480, pps), idr])).toMatchObject({ width: 640, height: 480 });
    const changed = d.join([stapA(louder, pps), idr]);
    expect(changed).toMatchObject({ data: annexB(louder, pps, idr), width: 640, height: 480 });
    expect(d.join([idr])?.data).toEqual(annexB(louder, pps, idr));
  });

  it("change between keyframes: an SPS alone, with delta slices, counts from the next IDR slice on", () => {
    const d = h264.depacketizer();
    d.join([stapA(sps494x370, pps), idr]);
    expect(d.join([sps640x480, slice])).toEqual({ data: annexB(sps640x480, slice), keyframe: false });
    expect(d.join([idr])).toMatchObject({ data: annexB(sps640x480, pps, idr), width: 640 });
  });

  it("come whole before an IDR slice, also those that only later slices name", () => {
    const second = hex("68 53 83 f2"); // PPS 1 of SPS 0
    const d = new H264Depacketizer(`sprop-parameter-sets=${[sps640x480, pps, second].map(base64).join()}`);
    expect(d.join([idr])?.data).toEqual(annexB(sps640x480, pps, second, idr));
    // Two PPS in one picture.
    const other = hex("65 0c 50 0a 0b");
    expect(d.join([idr, other])?.data).toEqual(annexB(sps640x480, pps, second, idr, other));
  });

  it("of another id do not stand in for those that an IDR slice names", () => {
    const second = hex("68 53 83 f2");
    const d = h264.depacketizer();
    expect(d.join([stapA(sps640x480, second), idr])).toBeUndefined();
    expect(d.join([stapA(pps), idr])?.data).toEqual(annexB(sps640x480, second, pps, pps, idr));
  });

  it("that were meant for an SPS of before come along only when a slice names them", () => {
    const second = hex("68 53 83 f2");
    const d = h264.depacketizer();
    d.join([stapA(sps494x370, pps, second), idr]);
    expect(d.join([stapA(sps640x480, pps), idr])?.data).toEqual(annexB(sps640x480, pps, idr));
    expect(d.join([idr])?.data).toEqual(annexB(sps640x480, pps, idr));
  });

  it("longer than any real one are not remembered", () => {
    const huge = Uint8Array.from([...sps640x480, ...new Uint8Array(5000).fill(0x55)]);
    const d = h264.depacketizer();
    expect(d.join([...fuA(huge, 1000), pps, idr])).toBeUndefined();
  });

  it("are sent again before an IDR slice that comes without", () => {
    const sender = h264.packetizer();
    const o = { keyframe: true, maxPayload: 1200 };
    const first = sender.packetize(annexB(sps494x370, pps, idr), o);
    expect(sender.packetize(annexB(idr), o)).toEqual(first);
    expect(sender.packetize(annexB(slice), { ...o, keyframe: false }).map((c) => c.payload)).toEqual([slice]);
  });

  it("go separately when they do not fit one packet", () => {
    const sizes = h264.packetizer().packetize(annexB(sps494x370, pps), { keyframe: false, maxPayload: 26 });
    expect(sizes.map((c) => c.payload)).toEqual([sps494x370, pps]);
  });
});

describe("packetization modes", () => {
  const frame = annexB(sps494x370, pps, sei, idr);
  const o = { keyframe: true, maxPayload: 100 };
  const sent = (fmtp: string | undefined, maxPayload = 100) =>
    h264
      .packetizer(fmtp)
      .packetize(frame, { ...o, maxPayload })
      .map((c) => c.payload);

  it.each([undefined, "packetization-mode=1", "profile-level-id=42e01f; Packetization-Mode=1"])(
    "parameter sets share a packet with %j",
    (fmtp) => expect(sent(fmtp)).toEqual([stapA(sps494x370, pps), sei, idr]),
  );

  it.each(["", "profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f"])(
    "every NAL unit goes alone with %j",
    (fmtp) => expect(sent(fmtp)).toEqual([sps494x370, pps, sei, idr]),
  );

  it("what is too large for a packet goes in fragments in mode 0 too, for else there is no picture", () => {
    const payloads = sent("packetization-mode=0", 18);
    expect(payloads.every((p) => p.length <= 18)).toBe(true);
    expect(h264.depacketizer().join(payloads)?.data).toEqual(frame);
  });

  it("are told apart by nothing but the packets: either is received whatever was agreed", () => {
    for (const fmtp of ["packetization-mode=0", "packetization-mode=1"]) {
      for (const other of ["packetization-mode=0", "packetization-mode=1"]) {
        expect(h264.depacketizer(other).join(sent(fmtp))?.data).toEqual(frame);
      }
    }
  });
});

describe("what a payload says", () => {
  const d = h264.depacketizer();
  const second = fuA(idr, 8)[1] ?? idr;
  it.each([
    ["a first slice", slice, { start: true, keyframe: false, discardable: false, media: true }],
    ["a further slice", secondSlice, { start: false, keyframe: false, discardable: false, media: true }],
    ["a slice nobody refers to", discardableSlice, { start: true, discardable: true, media: true }],
    ["an IDR slice", idr, { start: true, keyframe: true, discardable: false, media: true }],
    ["an IDR slice behind SEI in a STAP-A", stapA(sei, idr), { start: true, keyframe: true, media: true }],
    [
      "a further slice and what follows it in a STAP-A",
      stapA(secondSlice, slice),
      { start: false, media: true },
    ],
    [
      "an IDR slice inside a STAP-A",
      stapA(sps494x370, pps, idr),
      { start: true, keyframe: true, media: true },
    ],
    ["a later fragment of an IDR slice", second, { start: false, keyframe: true, media: true }],
    ["an SPS", sps494x370, { start: true, keyframe: false, discardable: false, media: false }],
    ["SEI", sei, { start: false, keyframe: false, discardable: false, media: false }],
    ["a delta slice whose second byte looks like type 5", hex("41 e5 01"), { keyframe: false }],
    ["a reserved type", hex("1f 00"), { media: false }],
  ])("%s", (_, payload, expected) => {
    expect(d.inspect(payload)).toMatchObject(expected);
  });

  it.each([
    ["nothing", hex("")],
    ["a STAP-B", hex("79 00 01 00 02 41 9a")],
    ["an MTAP16", hex("7a 00 01 00 04 00 00 00 41 9a")],
    ["an MTAP24", hex("7b 00 01 00 05 00 00 00 00 41 9a")],
    ["an FU-B", hex("7d 85 00 01 88")],
    ["a STAP-A without a NAL unit", hex("78")],
    ["a STAP-A whose first length is 0", hex("78 00 00 41")],
    ["a STAP-A whose first NAL unit is cut", hex("78 00 09 41 9a")],
    ["an FU-A that starts and ends at once", hex("7c c5 88 84")],
    ["an FU-A start without data", hex("7c 85")],
    ["an FU-A of an aggregate", hex("7c 98 00 01")],
  ])("refuses %s", (_, payload) => {
    expect(d.inspect(payload)).toBeUndefined();
  });
});

describe("for Matroska and MP4", () => {
  it("puts lengths where start codes were", () => {
    const mixed = hex("000001 68ce0fc8 00000001 419a24 000001 01 00");
    expect(annexBToLengths(mixed)).toEqual(hex("00000004 68ce0fc8 00000003 419a24 00000001 01"));
    expect(annexBToLengths(hex("41 9a 24"))).toEqual(hex(""));
  });

  it("finds the parameter sets of an access unit, each once", () => {
    const twice = annexB(sps494x370, pps, sps494x370, pps, idr);
    expect(parameterSetsOf(twice)).toEqual({ sps: [sps494x370], pps: [pps] });
    expect(parameterSetsOf(annexB(sps494x370, pps, idr))).toEqual({ sps: [sps494x370], pps: [pps] });
    expect(parameterSetsOf(annexB(slice))).toBeUndefined();
  });

  it("writes avcC, with the tail for high profiles", () => {
    const baseline = avcDecoderConfig([sps494x370], [pps]);
    expect(baseline).toEqual(
      Uint8Array.from([1, 0x42, 0xc0, 0x15, 0xff, 0xe1, 0, 25, ...sps494x370, 1, 0, 4, ...pps]),
    );
    const high = avcDecoderConfig([sps422], [pps]);
    expect(high?.subarray(-4)).toEqual(hex("fe fa fa 00"));
    expect(avcDecoderConfig([pps], [pps])).toBeUndefined();
    expect(avcDecoderConfig([sps422], [])).toBeUndefined();
  });
});
