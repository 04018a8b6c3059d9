import { describe, expect, it } from "vitest";
import { equalBytes } from "../../../src/core/bytes.ts";
import type { MediaPacket } from "../../../src/core/media/assembled-frame.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { buildRtp, type ExtensionElement } from "../../../src/core/rtp/packet.ts";
import { millis } from "../../../src/core/time.ts";
import {
  ids,
  PAYLOAD_TYPE,
  ReceiverPath,
  RTX_PAYLOAD_TYPE,
  RTX_SSRC,
  rtp,
  rtx,
  type SentFrame,
  SSRC,
  videoSection,
  vp8Stream,
} from "./receiver-path.ts";

const FRAME_MS = 33;
const RTT_MS = 40;
const text = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const named = (rid: string): ExtensionElement[] => [
  { id: ids.mid, data: text("v") },
  { id: ids.rid, data: text(rid) },
];

/** How a receiver knows what an RTX stream repairs, and the RID that packets carry at first. */
const ways = [
  ["the ssrc-group of the description (FID)", { remoteSsrcs: [{ ssrc: SSRC, rtx: RTX_SSRC }] }, undefined],
  ["the repaired RID", { remoteSsrcs: [], remoteRids: ["hi", "lo"] }, "hi"],
  ["being the only media there is", { remoteSsrcs: [] }, undefined],
] as const;

/** Every frame came out, as it was sent. */
function expectSame(path: ReceiverPath, stream: readonly SentFrame[]): void {
  expect(path.frames.length).toBe(stream.length);
  expect(path.frames.findIndex((f, i) => !equalBytes(f.data, stream[i]?.data ?? new Uint8Array(0)))).toBe(-1);
}

describe.each(ways)("repairs that are bound to their media by %s", (_, section, rid) => {
  const stream = vp8Stream(120, { seq: 65_536 + 65_400, isKey: (n) => n % 40 === 0 });
  const packets = new Map(stream.flatMap((f) => f.packets.map((p) => [p.extSeq & 0xffff, p])));

  /** A tenth of the packets is lost and comes again as RTX; what else is on the RTX stream is up to `more`. */
  function call(
    more: (path: ReceiverPath, p: MediaPacket, next: () => number, names: ExtensionElement[]) => void,
  ): ReceiverPath {
    const random = seededRandom(3);
    const path = new ReceiverPath([videoSection(section)], RTT_MS);
    let number = 65_500;
    const next = () => number++;
    // Names are repeated until the receiver has reported on the stream.
    const names = () => (rid && path.now < 1500 ? [{ id: ids.repairedRid, data: text(rid) }] : []);
    path.onNack = (seqs, at) => {
      for (const seq of seqs) {
        const p = packets.get(seq);
        if (!p) throw new Error(`asked for ${seq}`);
        path.later(rtx(p, next(), { extensions: names() }), at + RTT_MS);
      }
    };
    for (const [n, f] of stream.entries()) {
      for (const [i, p] of f.packets.entries()) {
        const first = n === 0;
        if (!first && random() < 0.1) continue;
        path.deliver(rtp(p, { extensions: rid && first ? named(rid) : [] }), n * FRAME_MS + i);
        more(path, p, next, names());
      }
    }
    path.until(stream.length * FRAME_MS + 2000);
    path.flush();
    return path;
  }

  function expectOriginal(path: ReceiverPath): void {
    expectSame(path, stream);
    expect(path.plis).toEqual([]);
    const [track] = path.receiver.statistics(millis(0)).tracks;
    expect(track?.ledger).toMatchObject({ lost: 0, pending: 0 });
    expect(track?.ledger.recovered).toBeGreaterThan(20);
  }

  it("give back the media as it was", () => {
    const path = call(() => undefined);
    expectOriginal(path);
    expect(Object.keys(path.faults.snapshot())).toEqual(
      path.faults.of("rtp-duplicate") > 0 ? ["rtp-duplicate"] : [],
    );
  });

  it("are not disturbed by probes: padding, and packets sent again that nobody missed", () => {
    let probes = 0;
    const path = call((to, p, next, extensions) => {
      // Padding alone, and a copy of what is here already.
      const padding = buildRtp({
        ...{ ssrc: RTX_SSRC, payloadType: RTX_PAYLOAD_TYPE, seq: next() & 0xffff, marker: false },
        ...{ timestamp: p.rtpTime >>> 0, payload: new Uint8Array(200), extensions },
      });
      padding[0] = (padding[0] ?? 0) | 0x20;
      padding[padding.length - 1] = 200;
      to.deliver(padding);
      to.deliver(rtx(p, next(), { extensions }));
      probes++;
    });
    expectOriginal(path);
    expect(path.faults.of("rtp-duplicate")).toBeGreaterThanOrEqual(probes);
  });

  it("are not disturbed by RTX of streams that nobody knows, nor by what is too short", () => {
    const path = call((to, p, next, extensions) => {
      to.deliver(rtx({ ...p, extSeq: p.extSeq + 1000 }, next(), { ssrc: 0x999 }));
      to.deliver(
        buildRtp({
          ...{ ssrc: RTX_SSRC, payloadType: RTX_PAYLOAD_TYPE, seq: next() & 0xffff, marker: false },
          ...{ timestamp: 0, payload: new Uint8Array(1), extensions },
        }),
      );
      // Firefox has sent RTX on the media's own SSRC.
      to.deliver(rtx(p, next(), { ssrc: SSRC }));
    });
    expectOriginal(path);
  });
});

describe("packets without media", () => {
  const pads = (p: MediaPacket, seq: number) => {
    const b = buildRtp({
      ...{ ssrc: SSRC, payloadType: PAYLOAD_TYPE, seq: seq & 0xffff, marker: false },
      ...{ timestamp: p.rtpTime >>> 0, payload: new Uint8Array(255) },
    });
    b[0] = (b[0] ?? 0) | 0x20;
    b[b.length - 1] = 255;
    return b;
  };

  it("behind every marker, with the frame's timestamp, cost nothing", () => {
    const stream = vp8Stream(60, { seq: 65_536 + 65_400 });
    const path = new ReceiverPath();
    let shift = 0;
    for (const [n, f] of stream.entries()) {
      for (const p of f.packets) path.deliver(rtp({ ...p, extSeq: p.extSeq + shift }), n * FRAME_MS);
      const last = f.packets.at(-1);
      if (!last) continue;
      for (let k = 0; k < n % 4; k++) path.deliver(pads(last, last.extSeq + ++shift));
    }
    path.flush();
    expectSame(path, stream);
    expect([path.asked, path.plis]).toEqual([[], []]);
  });

  it("that are lost are asked for as others, and cost no picture when they stay away", () => {
    // Picture numbers show that nothing is missing.
    const stream = vp8Stream(60);
    const path = new ReceiverPath();
    for (const [n, f] of stream.entries()) {
      for (const p of f.packets)
        path.deliver(rtp({ ...p, extSeq: p.extSeq + (n > 20 ? 2 : 0) }), n * FRAME_MS);
    }
    path.until(5000);
    expect(new Set(path.asked).size).toBe(2);
    expectSame(path, stream);
    expect(path.plis).toEqual([]);
  });

  it.each(["empty", "padding"])("at the start (%s) name the stream for all that follows", (how) => {
    const sections = ["a", "v"].map((mid) => videoSection({ mid, remoteSsrcs: [], remoteRids: ["hi"] }));
    const path = new ReceiverPath(sections);
    const stream = vp8Stream(30);
    const first = stream[0]?.packets[0];
    if (!first) throw new Error("no packet");
    const empty = { ...first, extSeq: first.extSeq - 1, marker: false, payload: new Uint8Array(0) };
    const b = rtp(how === "empty" ? empty : { ...empty, payload: new Uint8Array(4).fill(4) }, {
      extensions: named("hi"),
    });
    if (how === "padding") b[0] = (b[0] ?? 0) | 0x20;
    path.deliver(b, 0);
    for (const [n, f] of stream.entries()) for (const p of f.packets) path.deliver(rtp(p), n * FRAME_MS + 1);
    path.flush();
    expectSame(path, stream);
    expect(new Set(path.frames.map((f) => f.mid))).toEqual(new Set(["v"]));
    expect(path.receiver.statistics(millis(0)).tracks).toMatchObject([{ mid: "v", rid: "hi" }]);
  });
});

describe("a keyframe that is wanted", () => {
  it("is asked for ever more rarely while a shared screen stays still, and again when it moves", () => {
    const path = new ReceiverPath();
    const stream = vp8Stream(4, { isKey: (n) => n === 3 });
    const show = (n: number, at: number) => {
      for (const p of stream[n]?.packets ?? []) path.deliver(rtp(p), at);
    };
    show(0, 0);
    path.until(60_000);
    expect(path.plis).toEqual([100, 600, 1600, 3600]);
    show(1, 20_000 + path.now);
    expect(path.frames).toEqual([]);
  });

  it("is asked for every four seconds at last of a sender that does not answer", () => {
    const path = new ReceiverPath();
    for (const [n, f] of vp8Stream(600, { isKey: () => false }).entries())
      for (const p of f.packets) path.deliver(rtp(p), n * FRAME_MS);
    const gaps = path.plis.slice(1).map((t, i) => t - (path.plis[i] ?? 0));
    expect(gaps).toEqual([500, 1000, 2000, 4000, 4000, 4000, 4000]);
  });

  it("is not asked for while it arrives, however slowly", () => {
    const path = new ReceiverPath();
    const [key] = vp8Stream(1, { length: 30_000 });
    const packets = key?.packets ?? [];
    // Thirty packets, one every 150 ms.
    for (const [i, p] of packets.entries()) path.deliver(rtp(p), 150 * i);
    path.flush();
    expect(packets.length).toBeGreaterThan(25);
    expect(path.plis).toEqual([]);
    expect(path.frames).toHaveLength(1);
  });
});
