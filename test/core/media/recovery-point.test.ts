import { describe, expect, test } from "vitest";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { h265 } from "../../../src/core/codecs/h265.ts";
import { hasRecoveryPoint } from "../../../src/core/codecs/recovery-point.ts";
import type { AssembledFrame } from "../../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { annexB, sets, slice } from "../codecs/h264.cases.ts";
import { h265Sets, h265Slice } from "../codecs/h265.cases.ts";
import { hex } from "../codecs/hex.ts";
import { feed, Sender } from "./stream.ts";

/** A recovery point in one frame: recovery_frame_cnt 0, exact match. */
const h264Point = hex("06 06 01 c4 80");
const h265Point = hex("4e 01 06 01 d0 80");
const FRAME_MS = 40;

const streams = [
  {
    codec: h264,
    known: [sets.sps640x480, sets.pps],
    picture: slice,
    point: h264Point,
    // PPS id 1.
    unknown: hex("41 99 24 01"),
  },
  {
    codec: h265,
    known: [h265Sets.vps, h265Sets.sps640x480, h265Sets.pps],
    picture: h265Slice,
    point: h265Point,
    unknown: hex("02 01 a0 11"),
  },
] as const;

describe.each(streams.map((s) => [s.codec.name, s] as const))("%s without any IDR picture", (_, s) => {
  /** Plays `seconds` of a stream whose every 25th frame is `point`; its sets come once, without a picture. */
  function play(
    point: readonly Uint8Array[],
    seconds: number,
    o: { sets?: boolean; drop?: (n: number) => boolean } = {},
  ): { assembler: FrameAssembler; frames: (AssembledFrame & { at: number })[] } {
    const assembler = new FrameAssembler({ codec: s.codec });
    const sender = new Sender(s.codec);
    const frames: (AssembledFrame & { at: number })[] = [];
    if (o.sets !== false) feed(assembler, sender.raw(s.known));
    for (let n = 0; n < seconds * 25; n++) {
      const at = n * FRAME_MS;
      const packets = sender.raw(n % 25 === 0 ? point : [s.picture]);
      if (!o.drop?.(n)) frames.push(...feed(assembler, packets, at).map((f) => ({ ...f, at })));
    }
    return { assembler, frames };
  }

  test("begins at the recovery point after five seconds, with parameter sets and size", () => {
    const { frames, assembler } = play([s.point, s.picture], 7);
    const [first, second] = frames;
    expect(first).toMatchObject({
      data: annexB(...s.known, s.point, s.picture),
      keyframe: true,
      width: 640,
      height: 480,
    });
    expect(first?.at).toBeGreaterThanOrEqual(5000);
    expect(first?.at).toBeLessThan(6200);
    expect(second).toMatchObject({ data: annexB(s.picture), keyframe: false });
    expect(assembler.stats.keyframes).toBe(1);
    expect(assembler.takeKeyframeRequest()).toBe("first-frame");
  });

  test("begins nowhere without a recovery point, or without its parameter sets", () => {
    expect(play([s.picture], 12).frames).toEqual([]);
    expect(play([s.point, s.picture], 12, { sets: false }).frames).toEqual([]);
    expect(play([s.point, s.unknown], 12).frames).toEqual([]);
  });

  test("goes on at a recovery point five seconds after a loss", () => {
    const { frames } = play([s.point, s.picture], 20, { drop: (n) => n === 200 });
    const gap = frames.findIndex((f) => f.lostBefore > 0);
    expect(frames[gap]).toMatchObject({ keyframe: true, width: 640 });
    const [before, after] = [frames[gap - 1]?.at ?? 0, frames[gap]?.at ?? 0];
    expect(after - before).toBeGreaterThanOrEqual(5000);
    expect(after - before).toBeLessThan(7500);
  });
});

describe("a recovery point", () => {
  test.each([
    ["alone", "06 06 01 c4 80", 1, true],
    ["behind another message", "06 01 02 aa bb 06 01 c4 80", 1, true],
    ["behind a long message", `06 05 ff 01 ${"11".repeat(256)} 06 01 c4 80`, 1, false],
    ["in H.265", "4e 01 06 01 d0 80", 2, true],
    ["behind emulation prevention", "06 05 04 00 00 03 00 01 06 01 c4 80", 1, true],
    ["cut short", "06 06", 1, false],
    ["as the contents of another message", "06 05 02 06 01 80", 1, false],
    ["without a message", "06", 1, false],
    ["after types without end", `06 ${"ff".repeat(300)}`, 1, false],
  ])("%s", (_, bytes, header, found) => {
    expect(hasRecoveryPoint(hex(bytes), header)).toBe(found);
  });
});
