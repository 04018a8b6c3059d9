import * as oracle from "rtp.js/packets";
import { describe, expect, it } from "vitest";
import { u16 } from "../../../../src/core/bytes.ts";
import { seededRandom } from "../../../../src/core/random.ts";
import { buildReceiverReport, buildSdes, buildSenderReport } from "../../../../src/core/rtp/rtcp/build.ts";
import { buildNacks, buildRemb } from "../../../../src/core/rtp/rtcp/build-feedback.ts";
import type { RtcpPacket } from "../../../../src/core/rtp/rtcp/packet.ts";
import { parseRtcp } from "../../../../src/core/rtp/rtcp/parse.ts";
import { buildTransportFeedback } from "../../../../src/core/rtp/rtcp/twcc-build.ts";
import { kinds, randomCompound } from "./compounds.ts";

const names = Object.keys(kinds);
const hex = (s: string) => new Uint8Array(Buffer.from(s.replaceAll(" ", ""), "hex"));

/** What rtp.js makes of a compound, in our words. */
function byOracle(b: Uint8Array): RtcpPacket[] {
  const compound = new oracle.CompoundPacket(new DataView(b.buffer, b.byteOffset, b.byteLength));
  const blocks = (reports: oracle.ReceptionReport[]) =>
    reports.map((r) => ({
      ssrc: r.getSsrc(),
      fractionLost: r.getFractionLost(),
      cumulativeLost: r.getTotalLost(),
      highestSeq: r.getHighestSeqNumber(),
      jitter: r.getJitter(),
      lastSr: r.getLastSRTimestamp(),
      delaySinceLastSr: r.getDelaySinceLastSR(),
    }));
  return compound.getPackets().map((p): RtcpPacket => {
    if (p instanceof oracle.SenderReportPacket) {
      return {
        type: "sr",
        ssrc: p.getSsrc(),
        ntp: { seconds: p.getNtpSeconds(), fraction: p.getNtpFraction() },
        rtpTime: p.getRtpTimestamp(),
        packets: p.getPacketCount(),
        octets: p.getOctetCount(),
        reports: blocks(p.getReports()),
      };
    }
    if (p instanceof oracle.ReceiverReportPacket) {
      return { type: "rr", ssrc: p.getSsrc(), reports: blocks(p.getReports()) };
    }
    if (p instanceof oracle.SdesPacket) {
      const chunks = p.getChunks().map((c) => ({ ssrc: c.getSsrc(), cname: c.getItems()[0]?.text ?? "" }));
      return { type: "sdes", chunks };
    }
    if (p instanceof oracle.ByePacket) {
      const reason = p.getReason();
      return { type: "bye", ssrcs: p.getSsrcs(), ...(reason === undefined ? {} : { reason }) };
    }
    if (p instanceof oracle.NackPacket) {
      const seqs = p.getItems().flatMap((i) => oracle.parseNackItem(i.pid, i.bitmask));
      return { type: "nack", sender: p.getSenderSsrc(), media: p.getMediaSsrc(), seqs };
    }
    if (p instanceof oracle.PliPacket) {
      return { type: "pli", sender: p.getSenderSsrc(), media: p.getMediaSsrc() };
    }
    if (p instanceof oracle.XrPacket) {
      const dlrr = p
        .getReports()
        .flatMap((x) => (x instanceof oracle.DlrrExtendedReport ? x.getSubReports() : []));
      const rrt = p.getReports().find((x) => x instanceof oracle.RrtExtendedReport);
      return {
        type: "xr",
        sender: p.getSsrc(),
        dlrr: dlrr.map((d) => ({ ssrc: d.ssrc, lastRr: d.lrr, delay: d.dlrr })),
        ...(rrt && { rrtr: { seconds: rrt.getNtpSeconds(), fraction: rrt.getNtpFraction() } }),
      };
    }
    throw new Error(`rtp.js reads ${p.constructor.name}`);
  });
}

/** rtp.js 0.15 keeps only the low 12 bits of the cumulative loss; the rest is checked against our own writer. */
function likeOracle(p: RtcpPacket): RtcpPacket {
  if (p.type !== "sr" && p.type !== "rr") return p;
  return { ...p, reports: p.reports.map((r) => ({ ...r, cumulativeLost: r.cumulativeLost & 0xfff })) };
}

describe("RTCP compounds", () => {
  it.each(names)("writes and reads %s", (name) => {
    const random = seededRandom(11);
    for (let i = 0; i < 300; i++) {
      const [bytes, packet] = kinds[name]?.(random) ?? [];
      expect(bytes && parseRtcp(bytes)).toEqual({ packets: [packet], malformed: 0 });
    }
  });

  it("agrees with rtp.js about every packet it knows", () => {
    const random = seededRandom(12);
    const known = ["sr", "rr", "sdes", "bye", "nack", "pli", "rrtr", "dlrr"];
    for (let i = 0; i < 300; i++) {
      const { bytes, packets } = randomCompound(random, known);
      expect(byOracle(bytes)).toEqual(packets.map(likeOracle));
      expect(parseRtcp(bytes)).toEqual({ packets, malformed: 0 });
    }
  });

  it("cut anywhere, gives the packets before the cut and one malformed", () => {
    const random = seededRandom(13);
    for (let i = 0; i < 25; i++) {
      const { bytes, packets, ends } = randomCompound(random, names);
      for (let n = 0; n < bytes.length; n++) {
        const whole = ends.filter((e) => e <= n).length;
        const cleanCut = n === 0 || ends.includes(n);
        const parsed = parseRtcp(bytes.subarray(0, n));
        expect(parsed.packets).toEqual(packets.slice(0, whole));
        expect(parsed.malformed).toBe(cleanCut ? 0 : 1);
      }
    }
  });

  it("a NACK before a PLI does not swallow it", () => {
    const nack = buildNacks(1, 2, [7])[0] ?? new Uint8Array(0);
    const pli = hex("81ce0002 00000001 00000002");
    const { packets } = parseRtcp(new Uint8Array([...nack, ...pli]));
    expect(packets).toEqual([
      { type: "nack", sender: 1, media: 2, seqs: [7] },
      { type: "pli", sender: 1, media: 2 },
    ]);
  });

  it.each([
    ["a report count that does not fit", `82c90007 00000001 ${"00".repeat(24)}`],
    ["an SDES item beyond the packet", "81ca0002 00000001 01ff0000"],
    ["an SDES without room for its chunk", "81ca0000"],
    ["a BYE without its SSRCs", "82cb0001 00000001"],
    ["a BYE reason beyond the packet", "81cb0002 00000001 08616263"],
    ["a NACK without SSRCs", "81cd0001 00000001"],
    ["a PLI without SSRCs", "81ce0001 00000001"],
    ["half a FIR entry", "84ce0003 00000001 00000000 00000002"],
    ["more REMB SSRCs than fit", "8fce0004 00000001 00000000 52454d42 02000001"],
    ["a REMB cut off behind its name", "8fce0003 00000001 00000000 52454d42"],
    ["TWCC without a header", "8fcd0002 00000001 00000002"],
    ["TWCC chunks that do not cover the count", "8fcd0005 00000001 00000002 00010030 00000000 20010000"],
    ["TWCC with an empty run", "8fcd0005 00000001 00000002 00010001 00000000 20000000"],
    ["TWCC without its deltas", "8fcd0005 00000001 00000002 00010003 00000000 20030000"],
    ["TWCC with the reserved symbol", "8fcd0005 00000001 00000002 00010001 00000000 60010000"],
    ["an XR block beyond the packet", "80cf0002 00000001 04000009"],
    ["an XR block header cut off by padding", "a0cf0002 00000001 00000003"],
    ["a reference time of the wrong size", "80cf0003 00000001 04000001 00000000"],
    ["half a DLRR item", "80cf0003 00000001 05000001 00000000"],
    ["padding of zero", "a0c90001 00000000"],
    ["padding over the header", "a0c90001 000000ff"],
    ["a padded packet without an SSRC", "a0c90001 00000004"],
  ])("counts %s as malformed and reads on", (_, text) => {
    const rr = buildReceiverReport(9, []);
    const { packets, malformed } = parseRtcp(new Uint8Array([...hex(text), ...rr]));
    expect(packets).toEqual([{ type: "rr", ssrc: 9, reports: [] }]);
    expect(malformed).toBe(1);
  });

  it.each([
    ["APP", "80cc0002 00000001 61626364"],
    ["other transport feedback", "88cd0002 00000001 00000002"],
    ["other payload feedback", "82ce0002 00000001 00000002"],
    ["other application feedback", "8fce0003 00000001 00000002 41424344"],
    ["short application feedback", "8fce0002 00000001 00000002"],
    ["an unknown type", "80c10000"],
  ])("skips %s", (_, text) => expect(parseRtcp(hex(text))).toEqual({ packets: [], malformed: 0 }));

  it.each([
    ["version 1", "40c90001 00000001"],
    ["a length beyond the datagram", "80c90002 00000001"],
    ["half a header", "80c9"],
  ])("stops at %s", (_, text) => expect(parseRtcp(hex(text))).toEqual({ packets: [], malformed: 1 }));

  it("takes an SDES chunk without its final zero, and leaves out other items", () => {
    expect(parseRtcp(hex("81ca0003 00000005 0106 616263646566")).packets).toEqual([
      { type: "sdes", chunks: [{ ssrc: 5, cname: "abcdef" }] },
    ]);
    expect(parseRtcp(hex("82ca0005 00000005 02016100 00000006 01017a02 01620000")).packets).toEqual([
      { type: "sdes", chunks: [{ ssrc: 5 }, { ssrc: 6, cname: "z" }] },
    ]);
  });

  it("honours padding on the last packet", () => {
    const { packets } = parseRtcp(hex("a0c90002 00000001 00000004"));
    expect(packets).toEqual([{ type: "rr", ssrc: 1, reports: [] }]);
  });
});

describe("RTCP builders", () => {
  const block = {
    ssrc: 1,
    fractionLost: 0,
    cumulativeLost: 0,
    highestSeq: 0,
    jitter: 0,
    lastSr: 0,
    delaySinceLastSr: 0,
  };

  it.each([
    [0, [0]],
    [31, [31]],
    [32, [31, 1]],
    [63, [31, 31, 1]],
  ])("puts %d report blocks into packets of %j", (n, sizes) => {
    const reports = Array.from({ length: n }, (_, i) => ({ ...block, ssrc: i }));
    const { packets } = parseRtcp(buildReceiverReport(7, reports));
    expect(packets.map((p) => (p.type === "rr" ? p.reports.length : -1))).toEqual(sizes);
    expect(packets.flatMap((p) => (p.type === "rr" ? p.reports.map((r) => r.ssrc) : []))).toEqual(
      reports.map((r) => r.ssrc),
    );
  });

  it("moves what does not fit into a sender report to a receiver report", () => {
    const reports = Array.from({ length: 33 }, () => block);
    const sr = { ssrc: 1, ntp: { seconds: 1, fraction: 2 }, rtpTime: 3, packets: 4, octets: 5, reports };
    expect(parseRtcp(buildSenderReport(sr)).packets.map((p) => p.type)).toEqual(["sr", "rr"]);
  });

  it.each([0, 1, 2, 3, 4, 255, 300])("pads an SDES with a CNAME of %d characters", (n) => {
    const b = buildSdes(1, "c".repeat(n));
    expect(b.length % 4).toBe(0);
    expect(b[10 + Math.min(n, 255)]).toBe(0);
    expect(parseRtcp(b).malformed).toBe(0);
  });

  it("packs NACKs numerically over the wrap, whatever their order, each number once", () => {
    const [b, ...rest] = buildNacks(1, 2, [65536 + 3, 65534, 65536 + 14, 65535, 65536 + 15, 65534]);
    expect(rest).toEqual([]);
    // 65534 with a mask for +1, +5 and +16; then 15.
    expect(b && [u16(b, 12), u16(b, 14), u16(b, 16), u16(b, 18)]).toEqual([65534, 0x8011, 15, 0]);
    expect(buildNacks(1, 2, [])).toEqual([]);
  });

  it("splits NACKs that would not fit into a datagram", () => {
    const seqs = Array.from({ length: 600 }, (_, i) => 65536 + 20 * i);
    const parts = buildNacks(1, 2, seqs);
    expect(parts.map((p) => (p.length - 12) / 4)).toEqual([253, 253, 94]);
    const got = parts.flatMap((p) => parseRtcp(p).packets.flatMap((x) => (x.type === "nack" ? x.seqs : [])));
    expect(got).toEqual(seqs.map((s) => s & 0xffff));
  });

  it.each([
    [0, 0],
    [262_143, 262_143],
    [262_145, 262_144],
    [4_000_001, 4_000_000],
    [-5, 0],
    [2.5e9, 2_499_985_408],
  ])("states %d bit/s as %d", (asked, bitrate) => {
    expect(parseRtcp(buildRemb(1, asked, [2])).packets).toEqual([
      { type: "remb", sender: 1, bitrate, ssrcs: [2] },
    ]);
  });

  it("describes a long loss by runs", () => {
    const deltas = [4, ...new Array<undefined>(20_000).fill(undefined), 8];
    const fields = { sender: 1, media: 2, baseSeq: 65000, feedbackCount: 3, referenceTime: -1, deltas };
    const b = buildTransportFeedback(fields);
    expect(b.length).toBeLessThan(40);
    expect(parseRtcp(b).packets).toEqual([
      {
        type: "twcc",
        sender: 1,
        media: 2,
        baseSeq: 65000,
        count: 20_002,
        feedbackCount: 3,
        arrivals: [
          { seq: 65000, ms: -63 },
          { seq: (65000 + 20_001) & 0xffff, ms: -61 },
        ],
      },
    ]);
  });
});
