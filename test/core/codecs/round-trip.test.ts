import { describe, expect, it } from "vitest";
import { av1 } from "../../../src/core/codecs/av1.ts";
import type { Codec, PayloadChunk } from "../../../src/core/codecs/codec.ts";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { h265 } from "../../../src/core/codecs/h265.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import { vp9 } from "../../../src/core/codecs/vp9.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { av1Sequences } from "./av1.cases.ts";
import { annexB, idr, sets, slice } from "./h264.cases.ts";
import { h265Idr, h265Sets, h265Slice } from "./h265.cases.ts";
import { keyframe640x480 } from "./vp8.cases.ts";
import { vp9Keyframes } from "./vp9.cases.ts";

const MIN_PAYLOAD = 200;
/** The contract of a packetizer. */
const LEAST_PAYLOAD = 16;
const MAX_PAYLOAD = 1400;

/** No zeros: no start code, no trailing zero, as an encoder's emulation prevention ensures. */
const filling = (() => {
  const random = seededRandom(1);
  return Uint8Array.from({ length: 8192 }, () => 1 + randomInt(random, 255));
})();

/** `head` followed by filling, `length` bytes together. */
function frameOf(head: Uint8Array, length: number): Uint8Array {
  const frame = filling.slice(0, length);
  frame.set(head);
  return frame;
}

/** A sequence header and a frame OBU with `length` octets of data. */
function av1Unit(length: number): Uint8Array {
  const { obu } = av1Sequences.main64x48;
  const head = Uint8Array.of(...obu, 0x32, 0x80 | (length & 127), length >> 7, 0x10);
  return frameOf(head, head.length - 1 + length);
}

/** A fragment that claims to be the first and the last (RFC 6184 section 5.8 and RFC 7798 section 4.4.3 forbid it). */
function startsAndEnds(codec: Codec, { payload: p }: PayloadChunk): boolean {
  if (codec === h264) return ((p[0] ?? 0) & 31) === 28 && ((p[1] ?? 0) & 0xc0) === 0xc0;
  return codec === h265 && (p[0] ?? 0) >> 1 === 49 && ((p[2] ?? 0) & 0xc0) === 0xc0;
}

/** Sends every frame at every packet size; returns how many came back, stops at the first that did not. */
function roundTrips(
  codec: Codec,
  lengths: (maxPayload: number) => readonly number[],
  make: (length: number) => Uint8Array,
): number {
  const sender = codec.packetizer();
  const receiver = codec.depacketizer();
  let frames = 0;
  for (let maxPayload = MIN_PAYLOAD; maxPayload <= MAX_PAYLOAD; maxPayload++) {
    for (const length of lengths(maxPayload)) {
      const frame = make(length);
      const sent = sender.packetize(frame, { keyframe: true, maxPayload });
      const back = receiver.join(sent.map((c) => c.payload));
      const fits = sent.every((c) => c.payload.length <= maxPayload);
      const same = back !== undefined && Buffer.compare(back.data, frame) === 0;
      if (!fits || !same || !back.keyframe || sent.some((c) => startsAndEnds(codec, c))) {
        expect.fail(`${length} bytes in packets of ${maxPayload}: fits ${fits}, same ${same}`);
      }
      frames++;
    }
  }
  return frames;
}

const sizes = MAX_PAYLOAD - MIN_PAYLOAD + 1;

describe("what is packetized comes back byte for byte at every packet size", () => {
  it("VP8, with frames around exact multiples", () => {
    const lengths = (max: number) => [max - 5, max - 4, max - 3, 3 * (max - 4), 3 * (max - 4) + 1];
    expect(roundTrips(vp8, lengths, (n) => frameOf(keyframe640x480, n))).toBe(5 * sizes);
  });

  it("VP9, with frames around exact multiples", () => {
    const lengths = (max: number) => [max - 9, max - 8, max - 7, 3 * (max - 8), 3 * (max - 8) + 1];
    expect(roundTrips(vp9, lengths, (n) => frameOf(vp9Keyframes.profile0, n))).toBe(5 * sizes);
  });

  it("AV1, with OBUs around exact multiples", () => {
    const lengths = (max: number) => [max - 14, max - 13, max, 3 * (max - 1)];
    expect(roundTrips(av1, lengths, av1Unit)).toBe(4 * sizes);
  });

  it("VP9 and AV1 in the smallest packets too", () => {
    const frames = [
      [vp9, frameOf(vp9Keyframes.profile0, 500)],
      [av1, av1Unit(500)],
    ] as const;
    for (const [codec, frame] of frames) {
      for (let maxPayload = LEAST_PAYLOAD; maxPayload < MIN_PAYLOAD; maxPayload++) {
        const sent = codec.packetizer().packetize(frame, { keyframe: true, maxPayload });
        expect(sent.filter((c) => c.payload.length > maxPayload)).toEqual([]);
        const back = codec.depacketizer().join(sent.map((c) => c.payload));
        expect(back).toEqual({ data: frame, keyframe: true, width: 64, height: 48 });
      }
    }
  });

  it("H.264, with NAL units around exact multiples, no fragment with S and E", () => {
    const lengths = (max: number) => [max, max + 1, 3 * (max - 2) + 1, 3 * (max - 2) + 2];
    const make = (n: number) => annexB(sets.sps640x480, sets.pps, frameOf(idr, n), slice);
    expect(roundTrips(h264, lengths, make)).toBe(4 * sizes);
  });

  it("H.265, with NAL units around exact multiples, no fragment with S and E", () => {
    const lengths = (max: number) => [max, max + 1, 3 * (max - 3) + 2, 3 * (max - 3) + 3];
    const { vps, sps640x480, pps } = h265Sets;
    const make = (n: number) => annexB(vps, sps640x480, pps, frameOf(h265Idr, n), h265Slice);
    expect(roundTrips(h265, lengths, make)).toBe(4 * sizes);
  });

  it("H.264 and H.265 in the smallest packets too, parameter sets and all", () => {
    const { vps, sps640x480, pps } = h265Sets;
    const frames = [
      [h264, annexB(sets.sps640x480, sets.pps, frameOf(idr, 500), slice)],
      [h265, annexB(vps, sps640x480, pps, frameOf(h265Idr, 500), h265Slice)],
    ] as const;
    for (const [codec, frame] of frames) {
      for (let maxPayload = LEAST_PAYLOAD; maxPayload < MIN_PAYLOAD; maxPayload++) {
        const sent = codec.packetizer().packetize(frame, { keyframe: true, maxPayload });
        expect(sent.filter((c) => c.payload.length > maxPayload || startsAndEnds(codec, c))).toEqual([]);
        const back = codec.depacketizer().join(sent.map((c) => c.payload));
        expect(back).toEqual({ data: frame, keyframe: true, width: 640, height: 480 });
      }
    }
  });

  it("Opus, which is never split", () => {
    const lengths = (max: number) => [1, 2, max - 1, max];
    expect(roundTrips(opus, lengths, (n) => frameOf(Uint8Array.of(0xf8), n))).toBe(4 * sizes);
  });
});

it("splits into the fewest packets, of nearly the same size", () => {
  const sent = vp8
    .packetizer()
    .packetize(frameOf(keyframe640x480, 3001), { keyframe: true, maxPayload: 1004 });
  expect(sent.map((c) => c.payload.length - 4)).toEqual([750, 750, 750, 751]);
  expect(sent.map((c) => c.marker)).toEqual([false, false, false, true]);
});

it("the frame that is sent stays as it is, also in a Buffer, whose slices share its memory", () => {
  const frame = Buffer.from(av1Unit(500));
  av1.packetizer().packetize(frame, { keyframe: true, maxPayload: 100 });
  expect(Buffer.compare(frame, av1Unit(500))).toBe(0);
});

it("an empty frame makes no packets", () => {
  for (const codec of [vp8, vp9, av1, h264, h265, opus]) {
    expect(codec.packetizer().packetize(new Uint8Array(0), { keyframe: false, maxPayload: 1200 })).toEqual(
      [],
    );
  }
});
