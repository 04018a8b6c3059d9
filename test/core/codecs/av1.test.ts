import { describe, expect, it } from "vitest";
import { av1 } from "../../../src/core/codecs/av1.ts";
import { av1DecoderConfig, av1SequenceHeaderOf } from "../../../src/core/codecs/av1-config.ts";
import { planAv1Packets } from "../../../src/core/codecs/av1-packet-plan.ts";
import { parseAv1Sequence } from "../../../src/core/codecs/av1-sequence.ts";
import { leb128, leb128Length, leb128Size, putLeb128 } from "../../../src/core/codecs/leb128.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { av1Key, av1KeyUnit, av1Malformed, av1Sequences, obu } from "./av1.cases.ts";
import { hex } from "./hex.ts";

describe("a sequence header", () => {
  const all = Object.entries(av1Sequences);

  it.each(all)("%s gives its size and the configuration that ffmpeg writes", (_, s) => {
    const info = parseAv1Sequence(s.obu, 2);
    expect([info?.width, info?.height]).toEqual(s.size);
    expect(av1DecoderConfig(s.obu)).toEqual(Uint8Array.from([...hex(s.config), ...s.obu]));
  });

  it.each(all)("%s is refused when it is cut short", (_, s) => {
    // The colours end before the film grain flag and the trailing bits.
    for (let n = 2; n < s.obu.length - 2; n++)
      expect(parseAv1Sequence(s.obu.subarray(0, n), 2)).toBeUndefined();
    expect(av1DecoderConfig(s.obu.subarray(0, -1))).toBeUndefined();
  });

  it("is found in a temporal unit, with a size even if it had none", () => {
    const { obu: sequence } = av1Sequences.main64x48;
    expect(av1SequenceHeaderOf(Uint8Array.from([0x12, 0, ...av1KeyUnit]))).toEqual(sequence);
    expect(av1SequenceHeaderOf(Uint8Array.from([0x08, ...sequence.subarray(2)]))).toEqual(sequence);
    expect(av1SequenceHeaderOf(obu(6, av1Key))).toBeUndefined();
  });

  it("of before goes in front of a keyframe that comes without, on either side", () => {
    const keyframe = obu(6, av1Key);
    const sender = av1.packetizer();
    const receiver = av1.depacketizer();
    const o = { keyframe: true, maxPayload: 1200 };
    const first = sender.packetize(av1KeyUnit, o).map((c) => c.payload);
    expect(sender.packetize(keyframe, o).map((c) => c.payload)).toEqual(first);
    receiver.join(first);
    const bare = av1
      .packetizer()
      .packetize(keyframe, o)
      .map((c) => c.payload);
    expect(bare).not.toEqual(first);
    expect(receiver.join(bare)).toEqual({ data: av1KeyUnit, keyframe: true, width: 64, height: 48 });
  });

  it("is learned where it comes alone", () => {
    const receiver = av1.depacketizer();
    expect(receiver.join([Uint8Array.from([0x18, 0x08, ...av1KeyUnit.subarray(2, 12)])])).toBeUndefined();
    expect(receiver.join([Uint8Array.from([0x10, 0x30, ...av1Key])])?.data).toEqual(av1KeyUnit);
  });
});

describe("what a packet means", () => {
  const inspect = (text: string) => av1.depacketizer().inspect(hex(text));

  it.each(av1Malformed)("refuses %s", (_, payload) => {
    expect(av1.depacketizer().inspect(payload)).toBeUndefined();
    expect(av1.depacketizer().join([payload])).toBeUndefined();
  });

  it("knows where a temporal unit may start", () => {
    // Delimiter, sequence header, frame header, metadata, frame.
    for (const text of ["10 10", "18 08 00", "10 18 30", "10 28 01", "10 30 30", "10 34 40 30"]) {
      expect(inspect(text)?.start).toBe(true);
    }
    // A continued OBU, a tile group, an upper spatial layer, a repeated header.
    for (const text of ["90 30 30", "10 20 30", "10 34 08 30", "10 38 30"]) {
      expect(inspect(text)?.start).toBe(false);
    }
  });

  it("tells keyframes, pictures and temporal layers", () => {
    expect(inspect("10 30 10")).toMatchObject({ keyframe: true, media: true, end: false });
    expect(inspect("20 02 28 01 32 05 10")).toMatchObject({ keyframe: true, media: true });
    expect(inspect("10 30 30")).toMatchObject({ keyframe: false, media: true });
    expect(inspect("10 30 90")).toMatchObject({ keyframe: false });
    expect(inspect("18 08 00")).toMatchObject({ keyframe: true, media: false });
    expect(inspect("90 10 10")).toMatchObject({ keyframe: false, media: true });
    expect(inspect("10 34 48 30")?.temporalId).toBe(2);
    expect(inspect("10 30 30")?.temporalId).toBeUndefined();
  });
});

describe("numbers in groups of seven bits", () => {
  it("come back as they were written", () => {
    const room = new Uint8Array(9);
    for (const v of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456, 2 ** 31 - 1]) {
      const end = putLeb128(room, 1, v);
      expect(end - 1).toBe(leb128Size(v));
      expect(leb128Length(room, 1)).toBe(end - 1);
      expect(leb128(room, 1, end - 1)).toBe(v);
    }
  });

  it("are exact past 32 bits, and at most eight octets long", () => {
    expect(leb128(hex("ffffffff7f"), 0, 5)).toBe(2 ** 35 - 1);
    expect(leb128Length(hex("8080808080808000"), 0)).toBe(8);
    expect(leb128Length(hex("808080808080808000"), 0)).toBe(0);
    expect(leb128Length(hex("8080"), 0)).toBe(0);
    expect(leb128Length(hex(""), 0)).toBe(0);
  });
});

it("plans packets that hold all elements in order, none too large, as few as can be", () => {
  const random = seededRandom(9);
  for (let round = 0; round < 200; round++) {
    const lengths = Array.from({ length: 1 + randomInt(random, 6) }, () => 1 + randomInt(random, 400));
    const maxPayload = 16 + randomInt(random, 300);
    const packets = planAv1Packets(lengths, maxPayload);
    const seen = lengths.map(() => 0);
    for (const { pieces, size } of packets) {
      expect(size).toBeLessThanOrEqual(maxPayload);
      expect(pieces.length).toBeGreaterThan(0);
      expect(pieces.length).toBeLessThanOrEqual(3);
      for (const p of pieces) {
        expect(p.from).toBe(seen[p.element]);
        seen[p.element] = p.to;
      }
    }
    expect(seen).toEqual(lengths);
    const total = lengths.reduce((a, b) => a + b, 0);
    if (lengths.length === 1) expect(packets.length).toBe(Math.ceil(total / (maxPayload - 1)));
  }
});
