import { expect, it } from "vitest";
import { vp8, vp8KeyframeSize } from "../../../src/core/codecs/vp8.ts";
import { emptyVp8Descriptor, parseVp8Descriptor } from "../../../src/core/codecs/vp8-descriptor.ts";
import { hex } from "./hex.ts";
import { descriptorTable, keyframe640x480 } from "./vp8.cases.ts";

it.each(descriptorTable().map((c) => [c.name, c] as const))("reads the descriptor %s", (_, c) => {
  const d = emptyVp8Descriptor();
  expect(parseVp8Descriptor(c.payload, d)).toBe(true);
  expect(d.length).toBe(c.length);
  expect(d.start).toBe(true);
  expect(d.pictureId).toBe(c.flags & 8 ? (c.wide ? 0x123 : 0x45) : -1);
  expect(d.pictureIdBits).toBe(c.flags & 8 ? (c.wide ? 15 : 7) : -1);
  expect(d.tl0PicIdx).toBe(c.flags & 4 ? 0x67 : -1);
  expect(d.temporalId).toBe(c.flags & 2 ? 2 : -1);
  expect(d.layerSync).toBe((c.flags & 2) !== 0);
  expect(d.keyIdx).toBe(c.flags & 1 ? 9 : -1);
});

it("refuses every descriptor that is cut short or carries nothing", () => {
  const d = emptyVp8Descriptor();
  for (const { payload } of descriptorTable()) {
    for (let n = 0; n < payload.length; n++)
      expect(parseVp8Descriptor(payload.subarray(0, n), d)).toBe(false);
  }
  expect(parseVp8Descriptor(hex("10 31"), d)).toBe(true);
});

it("exposes what continuity needs", () => {
  const info = vp8.depacketizer().inspect(hex("b0 e0 81 23 67 a9 31"));
  expect(info).toMatchObject({
    start: true,
    keyframe: false,
    discardable: true,
    pictureId: 0x123,
    pictureIdBits: 15,
    tl0PicIdx: 0x67,
    temporalId: 2,
    layerSync: true,
  });
});

it("refuses a keyframe without the start code", () => {
  const depacketizer = vp8.depacketizer();
  expect(depacketizer.inspect(hex("10 50 42 00 9d 01 2b 80 02 e0 01"))).toBeUndefined();
  expect(depacketizer.inspect(hex("10 50 42 00 9d 02"))).toBeUndefined();
  expect(depacketizer.inspect(hex("10 50 42 00 9d 01"))?.keyframe).toBe(true);
});

it("reads the size of keyframes only", () => {
  expect(vp8KeyframeSize(keyframe640x480)).toEqual({ width: 640, height: 480 });
  expect(vp8KeyframeSize(keyframe640x480.subarray(0, 9))).toBeUndefined();
  expect(vp8KeyframeSize(hex("31 02 03 9d 01 2a 80 02 e0 01"))).toBeUndefined();
});

it("counts pictures in 15 bits and wraps", () => {
  const sender = vp8.packetizer();
  const ids = [];
  for (let i = 0; i < 0x8001; i++) {
    const [chunk] = sender.packetize(hex("31 02"), { keyframe: false, maxPayload: 1200 });
    ids.push(vp8.depacketizer().inspect(chunk?.payload ?? hex(""))?.pictureId);
  }
  expect([ids[0], ids[1], ids[0x7fff], ids[0x8000]]).toEqual([0, 1, 0x7fff, 0]);
});
