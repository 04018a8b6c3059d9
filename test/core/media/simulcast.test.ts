import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/core/random.ts";
import { ExtensionMap, noExtensions } from "../../../src/core/rtp/extension-map.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { emptyRtpView, isRtcp, parseRtp } from "../../../src/core/rtp/packet.ts";
import { parseRtcp } from "../../../src/core/rtp/rtcp/parse.ts";
import { networkProfiles } from "../../support/netem.ts";
import { layers, SimulcastCall } from "../../support/simulcast-call.ts";

const LOW = 0;
const MID = 1;
const TOP = 2;

/** What a decoder needs: every picture follows on the one before it in its layer, or is a keyframe. */
function expectDecodable(call: SimulcastCall): void {
  let before: SimulcastCall["shown"][number] | undefined;
  for (const s of call.shown) {
    const follows = before?.layer === s.layer && (before.sample + 1) % 60 === s.sample;
    expect(s.frame.keyframe || follows).toBe(true);
    expect(s.frame.local).toBeGreaterThan(before?.frame.local ?? Number.NEGATIVE_INFINITY);
    if (s.frame.keyframe) expect(s.frame.width).toBe(layers[s.layer]?.width);
    before = s;
  }
  expect(call.shown.length).toBeGreaterThan(0);
}

describe.each(["rids", "ssrcs"] as const)("three layers on one m-line, known by %s", (knownBy) => {
  it("are one track of the largest picture, every frame of it", () => {
    const call = new SimulcastCall({ profile: networkProfiles.clean, seed: 1, knownBy }).run(5000).end();
    expect(call.order).toEqual([TOP]);
    expect(call.longestGap()).toBeLessThan(35);
    expect(call.shown.length).toBeGreaterThanOrEqual(147);
    expect(call.tracks.map((t) => [t.ssrc, t.selected])).toEqual([
      [100, false],
      [200, false],
      [300, true],
    ]);
    expect(call.tracks.map((t) => t.keyframeRequests)).toEqual([0, 0, 0]);
    expectDecodable(call);
  });

  it("change down without a hole when the top layer stops, and up again when it returns", () => {
    const call = new SimulcastCall({ profile: networkProfiles.clean, seed: 2, knownBy }).run(4000);
    call.sender.setActive(TOP, false);
    call.run(4000);
    expect(call.order).toEqual([TOP, MID]);
    expect(call.longestGap()).toBeLessThanOrEqual(500);
    call.sender.setActive(TOP, true);
    call.run(4000).end();
    expect(call.order).toEqual([TOP, MID, TOP]);
    expect(call.longestGap(8000)).toBeLessThanOrEqual(70);
    expectDecodable(call);
  });
});

it("goes down to the only layer left", () => {
  const call = new SimulcastCall({ profile: networkProfiles.clean, seed: 3 }).run(4000);
  call.sender.setActive(TOP, false);
  call.sender.setActive(MID, false);
  call.run(3000).end();
  expect(call.order).toEqual([TOP, LOW]);
  expect(call.longestGap()).toBeLessThanOrEqual(500);
  expectDecodable(call);
});

describe.each(Object.entries(networkProfiles))("over a %s network", (name, profile) => {
  it("what comes out can be decoded, and never stops for long, whatever stops and returns", () => {
    const call = new SimulcastCall({ profile, seed: 11 }).run(4000);
    for (const [layer, active] of [
      [TOP, false],
      [TOP, true],
      [MID, false],
      [TOP, false],
      [MID, true],
      [TOP, true],
    ] as const) {
      call.sender.setActive(layer, active);
      call.run(3000);
    }
    call.run(8000).end();
    expectDecodable(call);
    expect(call.shown.at(-1)?.layer).toBe(TOP);
    // A burst may take a keyframe with it, and the request for another comes half a second later.
    expect(call.longestGap()).toBeLessThanOrEqual(name === "bursty" ? 1000 : 600);
  });
});

it("asks nothing of layers that are not shown, though they lose packets", () => {
  const random = seededRandom(5);
  const v = emptyRtpView();
  const requests: number[] = [];
  const call = new SimulcastCall({
    profile: networkProfiles.clean,
    seed: 5,
    through: (p, from, at) => {
      if (from === "sender")
        return isRtcp(p) || at < 2000 || !parseRtp(p, v) || v.ssrc >= 300 || random() > 0.3;
      for (const r of parseRtcp(p).packets) if (r.type === "pli") requests.push(r.media);
      return true;
    },
  }).run(8000);
  expect(requests).toEqual([]);
  expect(call.order).toEqual([TOP]);
  expect(call.tracks[0]?.nacks).toBeGreaterThan(0);
});

describe("a sender of layers", () => {
  const map = new ExtensionMap(
    new Map([
      [4, ExtensionUri.mid],
      [10, ExtensionUri.rid],
      [11, ExtensionUri.repairedRid],
    ]),
  );
  type Seen = {
    at: number;
    ssrc: number;
    seq: number;
    ts: number;
    mid?: string;
    rid?: string;
    rrid?: string;
  };

  /** What a call's sender said of itself, and when its receiver first reported on each SSRC. */
  function watch(ms: number): { seen: Seen[]; reported: Map<number, number>; reports: Map<number, number> } {
    const v = emptyRtpView();
    const x = noExtensions();
    const seen: Seen[] = [];
    const reported = new Map<number, number>();
    const reports = new Map<number, number>();
    const random = seededRandom(3);
    new SimulcastCall({
      profile: networkProfiles.clean,
      seed: 4,
      through: (p, from, at) => {
        if (isRtcp(p)) {
          for (const r of parseRtcp(p).packets) {
            if (r.type === "rr")
              for (const b of r.reports) if (!reported.has(b.ssrc)) reported.set(b.ssrc, at + 20);
            if (r.type === "sr" && !reports.has(r.ssrc)) reports.set(r.ssrc, at);
          }
          return true;
        }
        if (from !== "sender" || !parseRtp(p, v)) return true;
        map.read(v, x);
        seen.push({
          ...{ at, ssrc: v.ssrc, seq: v.seq, ts: v.timestamp },
          ...(x.mid === undefined ? {} : { mid: x.mid }),
          ...(x.rid === undefined ? {} : { rid: x.rid }),
          ...(x.repairedRid === undefined ? {} : { rrid: x.repairedRid }),
        });
        return v.payloadType === 97 || random() > 0.02;
      },
    }).run(ms);
    return { seen, reported, reports };
  }

  const { seen, reported, reports } = watch(4000);

  it("names itself on every packet until the receiver has reported on the SSRC, and then on keyframes", () => {
    for (const l of layers) {
      const packets = seen.filter((s) => s.ssrc === l.ssrc);
      const until = reported.get(l.ssrc) ?? 0;
      expect(until).toBeGreaterThan(100);
      for (const p of packets) if (p.at < until) expect(p).toMatchObject({ mid: "0", rid: l.rid });
      const later = packets.filter((p) => p.at > until + 100);
      expect(later.some((p) => p.rid === undefined)).toBe(true);
      expect(later.some((p) => p.rid === l.rid)).toBe(true);
    }
  });

  it("names the layer that a retransmission repairs", () => {
    const repairs = seen.filter((s) => s.ssrc % 100 === 1);
    expect(repairs.length).toBeGreaterThan(5);
    for (const r of repairs)
      expect(r).toMatchObject({ mid: "0", rrid: layers.find((l) => l.ssrc + 1 === r.ssrc)?.rid });
    for (const r of repairs) expect(r.rid).toBeUndefined();
  });

  it("numbers every layer for itself and reports on each within half a second", () => {
    const firsts = layers.map((l) => seen.find((s) => s.ssrc === l.ssrc));
    expect(new Set(firsts.map((f) => f?.seq)).size).toBe(3);
    expect(new Set(firsts.map((f) => f?.ts)).size).toBe(3);
    for (const l of layers) expect(reports.get(l.ssrc)).toBeLessThanOrEqual(500);
  });
});
