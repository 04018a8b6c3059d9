import { beforeEach, describe, expect, it } from "vitest";
import { asciiBytes } from "../../../src/core/bytes.ts";
import { type DemuxSection, RtpDemuxer, type RtpRoute } from "../../../src/core/rtp/demux.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { buildRtp, emptyRtpView, parseRtp } from "../../../src/core/rtp/packet.ts";

const opus = { payloadType: 111, codec: "opus", clockRate: 48_000 };
const vp8 = { payloadType: 96, codec: "vp8", clockRate: 90_000 };
const rtx = { payloadType: 97, codec: "rtx", clockRate: 90_000, apt: 96 };
/** SFUs number extensions per section: here the MID has another id in each. */
const audio: DemuxSection = {
  mid: "a",
  payloads: [opus],
  extensions: new Map([[1, ExtensionUri.mid]]),
  remoteSsrcs: [],
  remoteRids: [],
};
const video: DemuxSection = {
  mid: "v",
  payloads: [vp8, rtx],
  extensions: new Map([
    [4, ExtensionUri.mid],
    [5, ExtensionUri.rid],
    [6, ExtensionUri.repairedRid],
    [7, ExtensionUri.transportCc],
  ]),
  remoteSsrcs: [],
  remoteRids: [],
};
const screen: DemuxSection = { ...video, mid: "s" };
const layered: DemuxSection = { ...video, remoteRids: ["hi", "lo"] };

let demux: RtpDemuxer;
beforeEach(() => {
  demux = new RtpDemuxer();
});

type Extras = { mid?: string; rid?: string; rrid?: string; midId?: number; payload?: number[] };
function send(ssrc: number, payloadType: number, o: Extras = {}) {
  const extensions = [
    { id: o.midId ?? 4, text: o.mid },
    { id: 5, text: o.rid },
    { id: 6, text: o.rrid },
  ].flatMap(({ id, text }) => (text === undefined ? [] : [{ id, data: asciiBytes(text) }]));
  const payload = new Uint8Array(o.payload ?? []);
  const b = buildRtp({ payloadType, marker: false, seq: 1, timestamp: 0, ssrc, payload, extensions });
  const v = emptyRtpView();
  expect(parseRtp(b, v)).toBe(true);
  return demux.route(v);
}
function routed(r: RtpRoute | string) {
  if (typeof r === "string") return r;
  return [r.mid, r.role, r.rid, r.primarySsrc];
}

describe("demultiplexing (RFC 9143 section 9.2)", () => {
  it("goes by MID and remembers the SSRC, from an empty first packet too", () => {
    demux.update([audio, video, screen]);
    expect(send(1, 96)).toBe("rtp-unknown-ssrc");
    expect(routed(send(1, 96, { mid: "s" }))).toEqual(["s", "media", undefined, 1]);
    expect(routed(send(1, 96, { payload: [1, 2] }))).toEqual(["s", "media", undefined, 1]);
    expect(routed(send(2, 96, { mid: "v" }))).toEqual(["v", "media", undefined, 2]);
  });

  it("gives the same route object while nothing changes", () => {
    demux.update([audio, video]);
    const first = send(1, 96, { mid: "v" });
    expect(send(1, 96)).toBe(first);
    expect(send(1, 96, { mid: "v" })).toBe(first);
  });

  it("goes by the payload type where only one section has it", () => {
    demux.update([audio, video]);
    expect(routed(send(1, 111))).toEqual(["a", "media", undefined, 1]);
    expect(routed(send(2, 96))).toEqual(["v", "media", undefined, 2]);
    expect(send(3, 50)).toBe("rtp-unknown-ssrc");
  });

  it("goes by signalled SSRCs", () => {
    demux.update([
      { ...video, remoteSsrcs: [{ ssrc: 7, rtx: 8 }] },
      { ...screen, remoteSsrcs: [{ ssrc: 9 }] },
    ]);
    expect(routed(send(9, 96))).toEqual(["s", "media", undefined, 9]);
    expect(routed(send(8, 97))).toEqual(["v", "rtx", undefined, 7]);
    expect(routed(send(7, 96))).toEqual(["v", "media", undefined, 7]);
  });

  it("drops an unknown MID, even on a known SSRC, and keeps the SSRC where it was", () => {
    demux.update([audio, video]);
    send(1, 96, { mid: "v" });
    expect(send(1, 96, { mid: "zz" })).toBe("rtp-unknown-ssrc");
    expect(routed(send(1, 96))).toEqual(["v", "media", undefined, 1]);
  });

  it("keeps a stream that the description names where it is, when its MID is one of the publisher's", () => {
    demux.update([audio, { ...video, remoteSsrcs: [{ ssrc: 7, rtx: 8 }] }]);
    for (const mid of ["a", "zz"]) {
      expect(routed(send(7, 96, { mid }))).toEqual(["v", "media", undefined, 7]);
      expect(routed(send(8, 97, { mid }))).toEqual(["v", "rtx", undefined, 7]);
    }
    expect(send(9, 96, { mid: "zz" })).toBe("rtp-unknown-ssrc");
  });

  it("drops a payload type that the section does not have", () => {
    demux.update([audio, video]);
    send(1, 96, { mid: "v" });
    expect(send(1, 111)).toBe("rtp-unknown-payload-type");
    expect(send(2, 96, { mid: "a", midId: 1 })).toBe("rtp-unknown-payload-type");
  });

  it("moves an SSRC to the section whose MID it carries", () => {
    demux.update([video, screen]);
    const before = send(1, 96, { mid: "v" });
    expect(routed(send(1, 96, { mid: "s" }))).toEqual(["s", "media", undefined, 1]);
    expect(send(1, 96)).not.toBe(before);
  });

  it("ignores what we send ourselves", () => {
    demux.update([video], new Set([77]));
    expect(send(77, 96, { mid: "v" })).toBe("rtp-unknown-ssrc");
  });

  it("reads extensions by the ids of the section, and shows those of unrouted packets", () => {
    const other = {
      ...audio,
      extensions: new Map([
        [1, ExtensionUri.mid],
        [5, ExtensionUri.transportCc],
      ]),
    };
    demux.update([video, other]);
    const build = (ssrc: number, payloadType: number, id: number) => {
      const extensions = [{ id, data: new Uint8Array([1, 2]) }];
      const payload = new Uint8Array(0);
      const v = emptyRtpView();
      parseRtp(buildRtp({ payloadType, marker: false, seq: 1, timestamp: 0, ssrc, payload, extensions }), v);
      return demux.route(v);
    };
    expect(typeof build(1, 111, 5)).toBe("object");
    expect(demux.extensions.transportSeq).toBe(0x0102);
    build(1, 111, 7);
    expect(demux.extensions.transportSeq).toBeUndefined();
    expect(build(3, 20, 7)).toBe("rtp-unknown-ssrc");
    expect(demux.extensions.transportSeq).toBe(0x0102);
  });
});

describe("simulcast and retransmissions", () => {
  it("latches RID and repaired RID, in either order", () => {
    demux.update([layered]);
    expect(routed(send(20, 97, { mid: "v", rrid: "hi" }))).toEqual(["v", "rtx", "hi", undefined]);
    expect(routed(send(10, 96, { mid: "v", rid: "hi" }))).toEqual(["v", "media", "hi", 10]);
    expect(routed(send(11, 96, { mid: "v", rid: "lo" }))).toEqual(["v", "media", "lo", 11]);
    expect(routed(send(20, 97))).toEqual(["v", "rtx", "hi", 10]);
    expect(routed(send(21, 97, { rrid: "lo" }))).toEqual(["v", "rtx", "lo", 11]);
    expect(routed(send(10, 96))).toEqual(["v", "media", "hi", 10]);
  });

  it("follows a layer to a new SSRC, with its retransmissions", () => {
    demux.update([layered]);
    send(10, 96, { mid: "v", rid: "hi" });
    send(20, 97, { mid: "v", rrid: "hi" });
    expect(routed(send(30, 96, { mid: "v", rid: "hi" }))).toEqual(["v", "media", "hi", 30]);
    expect(routed(send(20, 97))).toEqual(["v", "rtx", "hi", 30]);
  });

  it("does not guess between layers", () => {
    demux.update([layered]);
    send(10, 96, { mid: "v", rid: "hi" });
    expect(routed(send(20, 97))).toEqual(["v", "rtx", undefined, undefined]);
  });

  it("does not believe RIDs that were not declared", () => {
    demux.update([video]);
    expect(routed(send(10, 96, { rid: "hi" }))).toEqual(["v", "media", undefined, 10]);
  });

  it("gives RTX of unknown origin to the only stream of its section", () => {
    demux.update([audio, video]);
    expect(routed(send(20, 97))).toEqual(["v", "rtx", undefined, undefined]);
    send(10, 96);
    expect(routed(send(20, 97))).toEqual(["v", "rtx", undefined, 10]);
    send(12, 96);
    expect(routed(send(20, 97))).toEqual(["v", "rtx", undefined, 12]);
  });

  it("takes an SSRC for media when media comes, whatever came first, and ignores RTX on it", () => {
    demux.update([video]);
    send(10, 97);
    expect(routed(send(10, 96))).toEqual(["v", "media", undefined, 10]);
    expect(send(10, 97)).toBe("rtp-unknown-ssrc");
    expect(routed(send(10, 96))).toEqual(["v", "media", undefined, 10]);
  });
});

describe("renegotiation and bounds", () => {
  it("keeps latched streams with their section, and forgets those of a removed one", () => {
    demux.update([video, screen]);
    send(1, 96, { mid: "v" });
    send(2, 96, { mid: "s" });
    const changed = { ...video, payloads: [vp8, rtx, { payloadType: 98, codec: "vp9", clockRate: 90_000 }] };
    demux.update([changed, audio]);
    const r = send(1, 98);
    expect(typeof r === "object" && r.section).toBe(changed);
    expect(send(2, 40)).toBe("rtp-unknown-ssrc");
  });

  it("keeps a talking stream however many SSRCs a sender invents", () => {
    demux.update([video, screen]);
    send(1, 96, { mid: "s" });
    for (let ssrc = 100; ssrc < 3100; ssrc++) {
      send(ssrc, 96, { mid: "v" });
      if (ssrc % 500 === 0) send(1, 96);
    }
    expect(routed(send(1, 96))).toEqual(["s", "media", undefined, 1]);
    expect(send(100, 96)).toBe("rtp-unknown-ssrc");
  });
});
