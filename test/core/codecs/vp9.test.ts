import { describe, expect, it } from "vitest";
import { vp9 } from "../../../src/core/codecs/vp9.ts";
import { emptyVp9Descriptor, parseVp9Descriptor } from "../../../src/core/codecs/vp9-descriptor.ts";
import { parseVp9Header } from "../../../src/core/codecs/vp9-header.ts";
import { hasSuperframeIndex, writeSuperframeIndex } from "../../../src/core/codecs/vp9-superframe.ts";
import { hex } from "./hex.ts";
import { vp9Delta, vp9DescriptorTable, vp9IntraOnly, vp9Keyframes, vp9Sized } from "./vp9.cases.ts";

describe("the payload descriptor (RFC 9628 section 4.2)", () => {
  it.each(vp9DescriptorTable().map((c) => [c.name, c] as const))("is read: %s", (_, c) => {
    const d = emptyVp9Descriptor();
    expect(parseVp9Descriptor(c.payload, d)).toBe(true);
    const { i, p, l, f, v } = c.flags;
    expect(d).toEqual({
      length: c.length,
      interPicture: p,
      flexible: f,
      begins: true,
      ends: false,
      pictureId: i ? (c.wide ? 0x123 : 0x45) : -1,
      pictureIdBits: i ? (c.wide ? 15 : 7) : -1,
      temporalId: l ? 2 : -1,
      spatialId: l ? 1 : -1,
      switchUp: l,
      interLayer: l,
      tl0PicIdx: l && !f ? 0x67 : -1,
      sizesAt: v ? c.length - 14 : -1,
      sizes: v ? 2 : 0,
    });
  });

  it("is refused when it is cut short or carries nothing", () => {
    const d = emptyVp9Descriptor();
    for (const { payload } of vp9DescriptorTable()) {
      for (let n = 0; n < payload.length; n++)
        expect(parseVp9Descriptor(payload.subarray(0, n), d)).toBe(false);
    }
  });

  it("is refused with a fourth reference", () => {
    const d = emptyVp9Descriptor();
    expect(parseVp9Descriptor(hex("d8 05 03 05 06 86"), d)).toBe(true);
    expect(parseVp9Descriptor(hex("d8 05 03 05 07 08 86"), d)).toBe(false);
  });
});

describe("the uncompressed header", () => {
  it.each([
    ["profile0", 64, 48],
    ["profile1", 494, 370],
    ["profile1Rgb", 494, 370],
    ["profile2", 494, 370],
    ["profile3", 494, 370],
  ] as const)("of a keyframe in %s gives its size", (profile, width, height) => {
    const header = parseVp9Header(vp9Keyframes[profile], 0);
    expect(header).toEqual({ keyframe: true, size: { width, height } });
    // Its first octet alone says it too.
    const [chunk] = vp9.packetizer().packetize(vp9Keyframes[profile], { keyframe: true, maxPayload: 1200 });
    expect(vp9.depacketizer().inspect(chunk?.payload ?? hex(""))?.keyframe).toBe(true);
  });

  it("of other frames gives a size where there is one", () => {
    expect(parseVp9Header(vp9Sized, 0)).toEqual({ keyframe: false, size: { width: 128, height: 96 } });
    expect(parseVp9Header(vp9Delta, 0)).toEqual({ keyframe: false, size: undefined });
    expect(parseVp9Header(vp9IntraOnly, 0)).toEqual({ keyframe: false, size: { width: 64, height: 48 } });
    expect(parseVp9Header(hex("88"), 0)).toEqual({ keyframe: false, size: undefined });
  });
});

describe("what a packet means", () => {
  const inspect = (text: string) => vp9.depacketizer().inspect(hex(text));

  it("exposes what continuity needs", () => {
    expect(inspect("e8 8123 50 67 86")).toEqual({
      start: true,
      end: false,
      keyframe: false,
      discardable: false,
      media: true,
      temporalId: 2,
      tl0PicIdx: 0x67,
      switchUp: true,
      pictureId: 0x123,
      pictureIdBits: 15,
    });
  });

  it("ends with E where there are no layers, else with the marker only", () => {
    expect(inspect("cc 8123 86")?.end).toBe(true);
    expect(inspect("ec 8123 10 09 86")?.end).toBe(false);
  });

  it("an upper layer starts a picture only where it does not refer to the layer below", () => {
    expect(inspect("ec 8123 12 09 86")?.start).toBe(true);
    expect(inspect("ec 8123 13 09 86")?.start).toBe(false);
  });
});

it("an index is one only where its sizes add up", () => {
  const frame = new Uint8Array(32);
  for (const sizes of [[16], [10, 6], [1, 2, 13]]) {
    const at = sizes.reduce((a, b) => a + b, 0);
    writeSuperframeIndex(frame, at, sizes);
    const data = frame.subarray(0, at + sizes.length + 2);
    expect(hasSuperframeIndex(data)).toBe(true);
    expect(hasSuperframeIndex(data.subarray(1))).toBe(false);
    expect(hasSuperframeIndex(data.subarray(0, -1))).toBe(false);
    frame.fill(0);
  }
  expect(hasSuperframeIndex(hex("c0"))).toBe(false);
  expect(hasSuperframeIndex(hex(""))).toBe(false);
});

it("counts pictures in 15 bits and wraps", () => {
  const sender = vp9.packetizer();
  const ids = [];
  for (let i = 0; i < 0x8001; i++) {
    const [chunk] = sender.packetize(vp9Delta, { keyframe: false, maxPayload: 1200 });
    ids.push(vp9.depacketizer().inspect(chunk?.payload ?? hex(""))?.pictureId);
  }
  expect([ids[0], ids[1], ids[0x7fff], ids[0x8000]]).toEqual([0, 1, 0x7fff, 0]);
});
