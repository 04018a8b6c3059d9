import { describe, expect, it } from "vitest";
import { h264 } from "../../../src/core/codecs/h264.ts";
import { opus } from "../../../src/core/codecs/opus.ts";
import { vp8 } from "../../../src/core/codecs/vp8.ts";
import type { AssembledFrame } from "../../../src/core/media/assembled-frame.ts";
import { FrameAssembler } from "../../../src/core/media/assembler.ts";
import { millis } from "../../../src/core/time.ts";
import { discardableSlice, idr, secondSlice, sei, sets, slice, stapA } from "../codecs/h264.cases.ts";
import { drain, feed, h264Frame, opusPacket, Sender, vp8Frame } from "./stream.ts";

/** A VP8 assembler that has shown its first keyframe. */
function vp8Running(o: { onLoss?: "gate" | "keep"; holdMs?: number } = {}) {
  const a = new FrameAssembler({ codec: vp8, ...o });
  const s = new Sender(vp8);
  expect(feed(a, s.frame(vp8Frame(0, true)))).toHaveLength(1);
  expect(a.takeKeyframeRequest()).toBe("first-frame");
  return { a, s };
}

function h264Running() {
  const a = new FrameAssembler({ codec: h264 });
  const s = new Sender(h264);
  const first = feed(a, s.frame(h264Frame(0, true)));
  expect([...first, ...drain(a, millis(10))]).toHaveLength(1);
  a.takeKeyframeRequest();
  return { a, s };
}

describe("whole frames", () => {
  it("come out as soon as their last packet is there", () => {
    const { a, s } = vp8Running();
    const [p0, p1, p2] = s.frame(vp8Frame(1, false));
    if (!p0 || !p1 || !p2) throw new Error("three packets expected");
    expect(feed(a, [p0, p1], 10)).toEqual([]);
    expect(a.deadline).toBeUndefined();
    expect(feed(a, [p2], 20)).toEqual([
      {
        data: vp8Frame(1, false),
        keyframe: false,
        rtpTime: p0.rtpTime,
        firstSeq: p0.extSeq,
        lastSeq: p2.extSeq,
        lostBefore: 0,
        arrival: 10,
        discardable: false,
      },
    ]);
  });

  it("are put in order and freed of duplicates", () => {
    const { a, s } = vp8Running();
    const packets = [...s.frame(vp8Frame(1, false)), ...s.frame(vp8Frame(2, false))];
    const frames = feed(a, [...packets.toReversed(), ...packets]);
    expect(frames.map((f) => f.data)).toEqual([vp8Frame(1, false), vp8Frame(2, false)]);
    expect(a.stats.duplicatePackets).toBe(packets.length);
    expect(a.stats.latePackets).toBe(0);
  });

  it("end where the timestamp changes when the marker is missing", () => {
    const { a, s } = vp8Running();
    const unmarked = s.frame(vp8Frame(1, false)).map((p) => ({ ...p, marker: false }));
    expect(feed(a, unmarked)).toEqual([]);
    const [next] = s.frame(vp8Frame(2, false));
    expect(feed(a, next ? [next] : [])[0]?.data).toEqual(vp8Frame(1, false));
  });

  it("do not, when the next is a keyframe: a server changed layers in the middle of a frame", () => {
    const { a, s } = vp8Running();
    const torn = s.frame(vp8Frame(1, false)).slice(0, -1);
    const last = torn.at(-1)?.extSeq ?? 0;
    const key = s.frame(vp8Frame(2, true)).map((p, i) => ({ ...p, extSeq: last + 1 + i }));
    expect(feed(a, [...torn, ...key]).map((f) => f.data)).toEqual([vp8Frame(2, true)]);
    expect(a.stats.abandonedFrames).toBe(1);
    expect(a.gated).toBe(false);
  });

  it("do not either at the very start, once the keyframe behind shows that there are markers", () => {
    const s = new Sender(vp8);
    const [first] = s.frame(vp8Frame(0, true));
    if (!first) throw new Error("packets expected");
    const key = s.frame(vp8Frame(1, true)).map((p, i) => ({ ...p, extSeq: first.extSeq + 1 + i }));
    const a = new FrameAssembler({ codec: vp8 });
    expect(feed(a, [first, ...key.slice(0, -1)])).toEqual([]);
    expect(feed(a, key.slice(-1)).map((f) => f.data)).toEqual([vp8Frame(1, true)]);
    // A sender without markers is not made to wait for one.
    const b = new FrameAssembler({ codec: vp8 });
    const unmarked = key.map((p) => ({ ...p, marker: false }));
    expect(feed(b, [first, ...unmarked])).toEqual([]);
    expect(drain(b, millis(100)).map((f) => f.firstSeq)).toEqual([first.extSeq]);
  });

  it("tell size, rotation until it changes, and discardability", () => {
    const a = new FrameAssembler({ codec: vp8 });
    const s = new Sender(vp8);
    const turned = s.frame(vp8Frame(0, true)).map((p) => (p.marker ? { ...p, rotation: 90 as const } : p));
    expect(feed(a, turned)[0]).toMatchObject({ keyframe: true, width: 640, height: 480, rotation: 90 });
    expect(feed(a, s.raw([Uint8Array.of(0x30, 0x31, 1)]))[0]).toMatchObject({
      rotation: 90,
      discardable: true,
    });
    const back = s.frame(vp8Frame(2, false)).map((p) => ({ ...p, rotation: 0 as const }));
    expect(feed(a, back)[0]?.rotation).toBe(0);
  });
});

describe("padding", () => {
  it("between frames, inside a frame and after the marker changes nothing", () => {
    const { a, s } = vp8Running();
    const pads = [s.padding(), s.padding()];
    const whole = s.frame(vp8Frame(1, false));
    const [first, ...rest] = s.frame(vp8Frame(2, false));
    const inner = rest.map((p) => ({ ...p, extSeq: p.extSeq + 1 }));
    s.seq++;
    const pad = { ...s.padding(), extSeq: (first?.extSeq ?? 0) + 1 };
    s.seq--;
    const tail = s.frame(vp8Frame(3, false));
    const frames = feed(a, [
      ...pads,
      ...whole,
      ...(first ? [first] : []),
      pad,
      ...inner,
      ...tail,
      s.padding(),
    ]);
    expect(frames.map((f) => f.data)).toEqual([1, 2, 3].map((n) => vp8Frame(n, false)));
    expect(frames.map((f) => f.lostBefore)).toEqual([0, 0, 0]);
    expect(a.takeKeyframeRequest()).toBeUndefined();
  });

  it("as the first packet does not hide the first keyframe", () => {
    const a = new FrameAssembler({ codec: h264 });
    const s = new Sender(h264);
    feed(a, [s.padding()]);
    feed(a, s.frame(h264Frame(0, true)));
    expect(drain(a, millis(10))).toHaveLength(1);
  });
});

describe("H.264 markers", () => {
  const au = [sets.sps640x480, sets.pps, sei, idr];

  it("on every NAL unit still give one access unit per timestamp", () => {
    const a = new FrameAssembler({ codec: h264 });
    const s = new Sender(h264);
    const out = [];
    for (let n = 0; n < 5; n++) {
      out.push(...feed(a, s.raw(au, { markers: [true, true, true, true] }), n * 33));
      out.push(...feed(a, s.raw([slice, secondSlice], { markers: [true, true] }), n * 33 + 16));
    }
    out.push(...drain(a, millis(1000)));
    expect(out.map((f) => f.keyframe)).toEqual(Array.from({ length: 10 }, (_, i) => i % 2 === 0));
    expect(new Set(out.map((f) => f.rtpTime)).size).toBe(10);
    expect(a.stats.abandonedFrames + a.stats.gatedFrames).toBe(0);
  });

  it("are believed once a keyframe of several packets had only one, at its end", () => {
    const { a, s } = h264Running();
    expect(feed(a, s.frame(h264Frame(1, false)))).toHaveLength(1);
    expect(a.deadline).toBeUndefined();
  });

  it("are given a short grace before that", () => {
    const a = new FrameAssembler({ codec: h264 });
    const s = new Sender(h264);
    expect(feed(a, s.raw([stapA(sets.sps640x480, sets.pps, idr)]), 100)).toEqual([]);
    expect(a.deadline).toBe(110);
    expect(drain(a, millis(109))).toEqual([]);
    expect(drain(a, millis(110))).toHaveLength(1);
    const live = new FrameAssembler({ codec: h264, markerGraceMs: 0 });
    expect(feed(live, new Sender(h264).raw([stapA(sets.sps640x480, sets.pps, idr)]))).toHaveLength(1);
  });

  it("that came too early lose their trust, and the rest of the frame makes no second one", () => {
    const { a, s } = h264Running();
    const [p0, p1] = s.raw([slice, secondSlice], { markers: [true, true] });
    if (!p0 || !p1) throw new Error("two packets expected");
    expect(feed(a, [p0], 20)).toHaveLength(1);
    expect(feed(a, [p1], 40)).toEqual([]);
    expect(a.stats.latePackets).toBe(1);
    const [q0, q1] = s.raw([slice, secondSlice], { markers: [true, true] });
    expect(feed(a, q0 && q1 ? [q0, q1] : [], 60)).toEqual([]);
    expect(drain(a, millis(70))).toHaveLength(1);
  });
});

describe("a missing packet", () => {
  it("is waited for until the hold is over, then only its frame is given up", () => {
    const { a, s } = vp8Running();
    const [lost, ...rest] = s.frame(vp8Frame(1, false));
    const next = s.frame(vp8Frame(2, false));
    const key = s.frame(vp8Frame(3, true));
    expect(feed(a, [...rest, ...next], 100)).toEqual([]);
    expect(feed(a, key, 700)).toEqual([]);
    expect(a.deadline).toBe(800);
    expect(drain(a, millis(799))).toEqual([]);
    const frames = drain(a, millis(800));
    expect(frames.map((f) => [f.data, f.lostBefore])).toEqual([[vp8Frame(3, true), 1]]);
    expect(a.takeKeyframeRequest()).toBe("loss");
    expect(a.stats).toMatchObject({ abandonedFrames: 1, gatedFrames: 1, lostPackets: 1, frames: 2 });
    expect(feed(a, lost ? [lost] : [], 900)).toEqual([]);
    expect(a.stats.latePackets).toBe(1);
  });

  it("may come late, and everything behind it comes out at once", () => {
    const { a, s } = vp8Running();
    const [lost, ...rest] = s.frame(vp8Frame(1, false));
    feed(a, [...rest, ...s.frame(vp8Frame(2, false))], 100);
    const frames = feed(a, lost ? [lost] : [], 1000);
    expect(frames.map((f) => [f.data, f.lostBefore])).toEqual([
      [vp8Frame(1, false), 0],
      [vp8Frame(2, false), 0],
    ]);
    expect(frames[0]?.arrival).toBe(100);
    expect(a.takeKeyframeRequest()).toBeUndefined();
  });

  it("is given up at once when its retransmission is", () => {
    const { a, s } = vp8Running();
    const [lost, ...rest] = s.frame(vp8Frame(1, false));
    feed(a, rest, 100);
    a.giveUp(lost?.extSeq ?? 0);
    a.giveUp(0);
    a.giveUp(1e9);
    expect(drain(a, millis(101))).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("loss");
    expect(a.gated).toBe(true);
  });

  it("is waited for longer when the round trip is long", () => {
    const { a, s } = vp8Running();
    a.setRoundTrip(500);
    feed(a, s.frame(vp8Frame(1, false)).slice(1), 100);
    expect(a.deadline).toBe(1700);
    a.setRoundTrip(60_000);
    drain(a, millis(200));
    expect(a.deadline).toBe(3200);
  });

  it("at the end of a frame that others need is reported although nothing follows", () => {
    const { a, s } = vp8Running();
    const packets = s.frame(vp8Frame(1, false));
    feed(a, packets.toSpliced(1, 1), 100);
    expect(drain(a, millis(1100))).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("loss");
  });

  it.each([1, 2, 3])("number %i of a keyframe costs that keyframe only", (k) => {
    const { a, s } = h264Running();
    feed(a, s.frame(h264Frame(1, true)).toSpliced(k, 1), 100);
    feed(a, s.frame(h264Frame(2, false)), 110);
    const good = s.frame(h264Frame(3, true));
    const frames = [...feed(a, good, 2000), ...drain(a, millis(2100))];
    expect(frames.map((f) => f.data)).toEqual([h264Frame(3, true)]);
  });

  it("with the parameter sets of an H.264 keyframe is replaced by the known ones", () => {
    const { a, s } = h264Running();
    feed(a, s.frame(h264Frame(1, true)).slice(1), 100);
    expect(drain(a, millis(1100)).map((f) => [f.data, f.lostBefore])).toEqual([[h264Frame(1, true), 1]]);
  });

  it("that is unusable when it comes costs its frame without waiting", () => {
    const { a, s } = vp8Running();
    const [first, ...rest] = s.frame(vp8Frame(1, false));
    const broken = first && { ...first, payload: Uint8Array.of(0x90) };
    expect(feed(a, broken ? [broken, ...rest] : [])).toEqual([]);
    expect(a.stats.malformedPackets).toBe(1);
    expect(a.takeKeyframeRequest()).toBe("loss");
  });

  it("with onLoss keep, a keyframe is asked for but the frames go on", () => {
    const { a, s } = vp8Running({ onLoss: "keep", holdMs: 100 });
    feed(a, s.frame(vp8Frame(1, false)).slice(1));
    feed(a, s.frame(vp8Frame(2, false)));
    expect(drain(a, millis(100)).map((f) => f.data)).toEqual([vp8Frame(2, false)]);
    expect(a.takeKeyframeRequest()).toBe("loss");
  });
});

describe("a lost frame that nobody refers to", () => {
  const nonReference = (n: number) => Uint8Array.of(0xb0, 0x80, 0x80, n, 0x31, n);
  const reference = (n: number) => Uint8Array.of(0x90, 0x80, 0x80, n, 0x31, n);

  it("is no harm in H.264 when its head was seen (nal_ref_idc 0)", () => {
    const { a, s } = h264Running();
    const second = Uint8Array.from([0x01, 0x4e, ...discardableSlice.subarray(2)]);
    const half = s.raw([discardableSlice, second]);
    const next = s.frame(h264Frame(2, false));
    feed(a, [...half.slice(0, 1), ...next], 100);
    expect(drain(a, millis(1100)).map((f) => [f.data, f.lostBefore])).toEqual([[h264Frame(2, false), 1]]);
    expect(a.takeKeyframeRequest()).toBeUndefined();
  });

  it("is harm when it may have taken another with it", () => {
    const { a, s } = h264Running();
    const second = Uint8Array.from([0x01, 0x4e, ...discardableSlice.subarray(2)]);
    const half = s.raw([discardableSlice, second]);
    s.raw([slice]);
    feed(a, [...half.slice(0, 1), ...s.frame(h264Frame(3, false))], 100);
    expect(drain(a, millis(1100))).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("loss");
  });

  it("is told by VP8 picture ids", () => {
    const { a, s } = vp8Running({ holdMs: 50 });
    const tail = Uint8Array.of(0xa0, 0x80, 0x80, 1, 7, 7);
    const damaged = s.raw([nonReference(1), tail, tail, tail]);
    expect(feed(a, [...damaged.slice(0, 1), ...s.raw([reference(2)])])).toEqual([]);
    expect(drain(a, millis(50))).toHaveLength(1);
    expect(a.takeKeyframeRequest()).toBeUndefined();
    s.raw([reference(3)]);
    feed(a, s.raw([reference(4)]), 100);
    expect(drain(a, millis(150))).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("loss");
  });

  it("lost padding is no loss when the picture ids follow each other", () => {
    const { a, s } = vp8Running({ holdMs: 50 });
    s.padding();
    feed(a, s.raw([reference(1)]));
    expect(drain(a, millis(50)).map((f) => f.lostBefore)).toEqual([1]);
    expect(a.takeKeyframeRequest()).toBeUndefined();
  });
});

describe("temporal layers", () => {
  /** L1T3: layers 0 2 1 2; the first frame of an upper layer after a base frame refers to that only. */
  const layers = [0, 2, 1, 2] as const;
  function payload(n: number): Uint8Array {
    const layer = layers[n % 4] ?? 0;
    const sync = n % 4 === 1 || n % 4 === 2;
    const head = Uint8Array.of(
      0x90,
      0xe0,
      0x80 | (n >> 8),
      n & 255,
      n >> 2,
      (layer << 6) | (sync ? 0x20 : 0),
    );
    return Uint8Array.from([...head, ...(n === 0 ? vp8Frame(0, true, 10) : [0x31, n & 255])]);
  }

  function run(isLost: (n: number) => boolean) {
    const a = new FrameAssembler({ codec: vp8, holdMs: 50 });
    const s = new Sender(vp8);
    const out: number[] = [];
    const reasons = [];
    for (let n = 0; n < 400; n++) {
      const packets = s.raw([payload(n)]);
      const at = n * 33;
      out.push(...drain(a, millis(at)).map((f) => (f.rtpTime - 1_000_000) / 3000));
      if (!isLost(n)) out.push(...feed(a, packets, at).map((f) => (f.rtpTime - 1_000_000) / 3000));
      const reason = a.takeKeyframeRequest();
      if (reason) reasons.push(reason);
    }
    out.push(...drain(a, millis(100_000)).map((f) => (f.rtpTime - 1_000_000) / 3000));
    return { out, reasons, stats: a.stats };
  }

  it("losing only the top layer closes no gate and asks for nothing", () => {
    const { out, reasons } = run((n) => n % 4 === 1 || n % 4 === 3);
    expect(out).toEqual(Array.from({ length: 200 }, (_, i) => 2 * i));
    expect(reasons).toEqual(["first-frame"]);
  });

  it("losing a middle layer costs the frames up to the next that refers to the base only", () => {
    const { out, reasons } = run((n) => n === 6);
    expect(out).toEqual(Array.from({ length: 400 }, (_, i) => i).filter((n) => n !== 6 && n !== 7));
    expect(reasons).toEqual(["first-frame"]);
  });

  it("losing a base frame closes the gate", () => {
    const { out, reasons } = run((n) => n === 8);
    expect(out).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(reasons).toEqual(["first-frame", "loss"]);
  });
});

describe("the start of a video", () => {
  it("waits for a keyframe and asks for one", () => {
    const a = new FrameAssembler({ codec: vp8 });
    const s = new Sender(vp8);
    expect(feed(a, [...s.frame(vp8Frame(0, false)), ...s.frame(vp8Frame(1, false))])).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("first-frame");
    expect(a.takeKeyframeRequest()).toBeUndefined();
    expect(feed(a, s.frame(vp8Frame(2, true)))).toHaveLength(1);
    expect(a.stats).toMatchObject({ gatedFrames: 2, frames: 1, keyframes: 1, abandonedFrames: 0 });
  });

  it("in the middle of a frame is no loss", () => {
    const a = new FrameAssembler({ codec: h264 });
    const s = new Sender(h264);
    feed(a, s.frame(h264Frame(0, true)).slice(2), 0);
    const key = s.frame(h264Frame(1, true));
    feed(a, key, 20);
    expect(a.deadline).toBe(100);
    expect(drain(a, millis(100)).map((f) => [f.data, f.lostBefore])).toEqual([[h264Frame(1, true), 0]]);
    expect(a.stats).toMatchObject({ abandonedFrames: 0, lostPackets: 0 });
  });

  it("may be out of order", () => {
    const a = new FrameAssembler({ codec: vp8 });
    const packets = new Sender(vp8).frame(vp8Frame(0, true));
    expect(feed(a, packets.toReversed(), 5)).toHaveLength(1);
  });

  it("asks again when an H.264 keyframe comes without parameter sets", () => {
    const a = new FrameAssembler({ codec: h264 });
    const s = new Sender(h264);
    feed(a, s.raw([idr]));
    expect(a.takeKeyframeRequest()).toBe("first-frame");
    drain(a, millis(10));
    expect(a.takeKeyframeRequest()).toBe("parameter-sets");
    feed(a, [...s.raw([slice]), ...s.raw([stapA(sets.sps640x480, sets.pps)])], 40);
    feed(a, s.raw([idr]), 80);
    expect(drain(a, millis(100)).map((f) => [f.keyframe, f.width])).toEqual([[true, 640]]);
  });

  it("tells when keyframe packets arrive", () => {
    const { a, s } = vp8Running();
    expect(a.keyframePacketAt).toBe(0);
    feed(a, s.frame(vp8Frame(1, true)).slice(0, 1), 70);
    expect(a.keyframePacketAt).toBe(70);
  });
});

describe("audio", () => {
  it("comes out packet by packet, each with its length", () => {
    const a = new FrameAssembler({ codec: opus });
    const s = new Sender(opus);
    const frames = feed(a, [...s.frame(opusPacket(0)), ...s.frame(opusPacket(1))]);
    expect(frames.map((f) => [f.data, f.keyframe, f.duration])).toEqual([
      [opusPacket(0), true, 20_000],
      [opusPacket(1), true, 20_000],
    ]);
  });

  it("goes on after a loss and never asks for a keyframe", () => {
    const a = new FrameAssembler({ codec: opus });
    const s = new Sender(opus);
    feed(a, s.frame(opusPacket(0)));
    s.frame(opusPacket(1));
    s.frame(opusPacket(2));
    feed(a, s.frame(opusPacket(3)), 60);
    expect(a.deadline).toBe(760);
    expect(drain(a, millis(760)).map((f) => [f.data, f.lostBefore])).toEqual([[opusPacket(3), 2]]);
    expect(a.takeKeyframeRequest()).toBeUndefined();
    expect(a.gated).toBe(false);
  });
});

describe("bounds", () => {
  it("a jump beyond the buffer starts again", () => {
    const { a, s } = vp8Running();
    feed(a, s.frame(vp8Frame(1, false)).slice(1), 10);
    s.seq += 10_000;
    expect(feed(a, s.frame(vp8Frame(2, false)), 20)).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("overflow");
    expect(feed(a, s.frame(vp8Frame(3, true)), 30)[0]?.lostBefore).toBe(10_003);
  });

  it("a full buffer stops waiting and keeps the order", () => {
    const { a, s } = vp8Running({ holdMs: 1e9 });
    s.frame(vp8Frame(1, false, 10));
    const out: AssembledFrame[] = [];
    for (let n = 0; n < 4000; n++) out.push(...feed(a, s.frame(vp8Frame(n, n % 100 === 50, 9)), n));
    expect(out.length).toBe(4000 - 50);
    expect(out[0]).toMatchObject({ keyframe: true, lostBefore: 1 });
    expect(out.every((f, i) => i === 0 || f.firstSeq > (out[i - 1]?.lastSeq ?? 0))).toBe(true);
  });
});

describe("flush", () => {
  it("releases whole frames past holes, and starts anew", () => {
    const { a, s } = vp8Running();
    const packets = [1, 2, 3].flatMap((n) => s.frame(vp8Frame(n, n === 2)));
    feed(a, packets.toSpliced(1, 1), 100);
    a.flush();
    expect(drain(a, millis(101)).map((f) => f.data)).toEqual([vp8Frame(2, true), vp8Frame(3, false)]);
    const again = new Sender(vp8, { seq: 66_000 });
    expect(feed(a, again.frame(vp8Frame(0, false)), 200)).toEqual([]);
    expect(a.takeKeyframeRequest()).toBe("first-frame");
    expect(feed(a, again.frame(vp8Frame(1, true)), 200)).toHaveLength(1);
  });

  it("gives out the last frame of a sender without markers, but no torn one", () => {
    const unmarked = new FrameAssembler({ codec: vp8 });
    const s = new Sender(vp8);
    feed(
      unmarked,
      s.frame(vp8Frame(0, true)).map((p) => ({ ...p, marker: false })),
    );
    unmarked.flush();
    expect(drain(unmarked, millis(1))).toHaveLength(1);
    const { a, s: t } = vp8Running();
    feed(a, t.frame(vp8Frame(1, false)).slice(0, -1));
    a.flush();
    expect(drain(a, millis(1))).toEqual([]);
    expect(a.stats.abandonedFrames).toBe(1);
  });

  it("gives out the last H.264 access unit without its grace", () => {
    const a = new FrameAssembler({ codec: h264 });
    feed(a, new Sender(h264).frame(h264Frame(0, true)));
    a.flush();
    expect(drain(a, millis(0))).toHaveLength(1);
  });
});
