import { describe, expect, test } from "vitest";
import type { Codec } from "../../../src/core/codecs/codec.ts";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { h265 } from "../../../src/core/codecs/h265.ts";
import type { AssembledFrame } from "../../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { millis } from "../../../src/core/time.ts";
import { annexB, idr, secondSlice, sets, slice } from "../codecs/h264.cases.ts";
import { h265Idr, h265SecondSlice, h265Sets, h265Slice } from "../codecs/h265.cases.ts";
import { hex } from "../codecs/hex.ts";
import { drain, feed, Sender } from "./stream.ts";

/** More than the assembler waits for a lost packet. */
const LATER_MS = 3000;

/** `head` with two and a half packets of filling. */
const long = (head: Uint8Array) => Uint8Array.from([...head, ...new Uint8Array(2500).fill(0x55)]);

const streams: readonly {
  readonly codec: Codec;
  readonly key: Uint8Array;
  readonly delta: Uint8Array;
  readonly twoSlices: Uint8Array;
  /** Packets of kinds that cannot be taken apart. */
  readonly foreign: readonly Uint8Array[];
}[] = [
  {
    codec: h264,
    key: annexB(sets.sps640x480, sets.pps, long(idr)),
    delta: annexB(slice),
    twoSlices: annexB(long(slice), long(secondSlice)),
    // STAP-B, MTAP16, MTAP24, FU-B.
    foreign: [
      "79 0001 0002 419a",
      "7a 0001 0005 00 0000 419a",
      "7b 0001 0006 00 000000 419a",
      "7d85 0001 88",
    ].map((h) => hex(h)),
  },
  {
    codec: h265,
    key: annexB(h265Sets.vps, h265Sets.sps640x480, h265Sets.pps, long(h265Idr)),
    delta: annexB(h265Slice),
    twoSlices: annexB(long(h265Slice), long(h265SecondSlice)),
    foreign: [hex("6401 0200 d01157")],
  },
];

describe.each(streams.map((s) => [s.codec.name, s] as const))("%s", (_, s) => {
  /** A stream that has shown a keyframe. */
  function running(): { assembler: FrameAssembler; sender: Sender } {
    const assembler = new FrameAssembler({ codec: s.codec });
    const sender = new Sender(s.codec);
    const shown = [...feed(assembler, sender.frame(s.key, true)), ...drain(assembler, millis(20))];
    expect(shown.map((f) => f.keyframe)).toEqual([true]);
    assembler.takeKeyframeRequest();
    return { assembler, sender };
  }

  /** What comes out when packet `drop` of `data` is lost, three delta frames follow and then a keyframe. */
  function lose(data: Uint8Array, keyframe: boolean, drop: number) {
    const { assembler, sender } = running();
    const packets = sender.frame(data, keyframe);
    const frames: AssembledFrame[] = feed(assembler, packets.toSpliced(drop, 1), 40);
    for (let n = 0; n < 3; n++) frames.push(...feed(assembler, sender.frame(s.delta), 80 + 40 * n));
    frames.push(...drain(assembler, millis(LATER_MS)));
    const request = assembler.takeKeyframeRequest();
    const after = feed(assembler, sender.frame(s.key, true), LATER_MS + 40);
    after.push(...drain(assembler, millis(LATER_MS + 100)));
    return { frames, request, after, stats: assembler.stats };
  }

  const keyPackets = s.codec.packetizer().packetize(s.key, { keyframe: true, maxPayload: 1000 }).length;
  test.each(Array.from({ length: keyPackets - 1 }, (_v, i) => [i + 1, keyPackets]))(
    "shows nothing of a keyframe without its fragment %i of %i, nor what refers to it",
    (drop) => {
      const { frames, request, after, stats } = lose(s.key, true, drop);
      expect(frames).toEqual([]);
      expect(request).toBe("loss");
      expect(after.map((f) => [f.keyframe, Buffer.compare(f.data, s.key)])).toEqual([[true, 0]]);
      expect(stats).toMatchObject({ lostPackets: 1, abandonedFrames: 1, gatedFrames: 3 });
    },
  );

  test("puts remembered parameter sets before a keyframe whose own are lost", () => {
    const { frames, request } = lose(s.key, true, 0);
    expect(frames.map((f) => f.keyframe)).toEqual([true, false, false, false]);
    expect(frames[0] && Buffer.compare(frames[0].data, s.key)).toBe(0);
    expect(request).toBeUndefined();
  });

  const slicePackets = s.codec.packetizer().packetize(s.twoSlices, { keyframe: false, maxPayload: 1000 });
  test.each(slicePackets.map((_c, i) => [i + 1, slicePackets.length]))(
    "shows nothing of a picture of two slices without packet %i of %i",
    (n) => {
      const { frames, request, after } = lose(s.twoSlices, false, n - 1);
      expect(frames).toEqual([]);
      expect(request).toBe("loss");
      expect(after).toHaveLength(1);
    },
  );

  test.each(s.foreign.map((p) => [Buffer.from(p).toString("hex"), p] as const))(
    "counts the packet %s as malformed, and as lost",
    (_hex, payload) => {
      const { assembler, sender } = running();
      const frames = feed(assembler, [...sender.raw([payload]), ...sender.frame(s.delta)], 40);
      frames.push(...drain(assembler, millis(LATER_MS)));
      expect(frames).toEqual([]);
      expect(assembler.stats).toMatchObject({ malformedPackets: 1, lostPackets: 1 });
      expect(assembler.takeKeyframeRequest()).toBe("loss");
    },
  );
});
