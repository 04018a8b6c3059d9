import * as rtpjs from "rtp.js/packets";
import { describe, expect, it } from "vitest";
import {
  ReceiverEstimatedMaxBitrate,
  RecvDelta,
  RtcpHeader,
  RtcpPayloadSpecificFeedback,
  RtcpTransportLayerFeedback,
  RunLengthChunk,
  StatusVectorChunk,
  TransportWideCC,
} from "werift-rtp";
import { type Random, randomInt, seededRandom } from "../../../../src/core/random.ts";
import type { ReportBlock, RtcpPacket } from "../../../../src/core/rtp/rtcp/packet.ts";
import { parseRtcp } from "../../../../src/core/rtp/rtcp/parse.ts";
import { buildTransportFeedback } from "../../../../src/core/rtp/rtcp/twcc-build.ts";
import { kinds } from "./compounds.ts";

/** SDES items (RFC 3550 section 6.5), which rtp.js counts in an enum of its own. */
type SdesItem = Parameters<rtpjs.SdesChunk["addItem"]>[0];
const CNAME: SdesItem = 1;
const TOOL: SdesItem = 6;

const word = (r: Random) => randomInt(r, 0x1_0000_0000);
const many = <T>(r: Random, max: number, make: () => T) =>
  Array.from({ length: randomInt(r, max + 1) }, make);

/** A report block, ours and that of rtp.js. It writes no more than 12 bits of the cumulative loss right. */
function block(r: Random): [ReportBlock, rtpjs.ReceptionReport] {
  const ours: ReportBlock = {
    ssrc: word(r),
    fractionLost: randomInt(r, 256),
    cumulativeLost: randomInt(r, 0x800),
    highestSeq: word(r),
    jitter: word(r),
    lastSr: word(r),
    delaySinceLastSr: word(r),
  };
  const theirs = new rtpjs.ReceptionReport();
  theirs.setSsrc(ours.ssrc);
  theirs.setFractionLost(ours.fractionLost);
  theirs.setTotalLost(ours.cumulativeLost);
  theirs.setHighestSeqNumber(ours.highestSeq);
  theirs.setJitter(ours.jitter);
  theirs.setLastSRTimestamp(ours.lastSr);
  theirs.setDelaySinceLastSR(ours.delaySinceLastSr);
  return [ours, theirs];
}

/** A packet of each kind as rtp.js writes it, and what it says. */
const writers: Record<string, (r: Random) => [rtpjs.RtcpPacket, RtcpPacket]> = {
  sr: (r) => {
    const p = new rtpjs.SenderReportPacket();
    const blocks = many(r, 4, () => block(r));
    const ntp = { seconds: word(r), fraction: word(r) };
    const [ssrc, rtpTime, packets, octets] = [word(r), word(r), word(r), word(r)];
    p.setSsrc(ssrc);
    p.setNtpSeconds(ntp.seconds);
    p.setNtpFraction(ntp.fraction);
    p.setRtpTimestamp(rtpTime);
    p.setPacketCount(packets);
    p.setOctetCount(octets);
    for (const [, theirs] of blocks) p.addReport(theirs);
    return [p, { type: "sr", ssrc, ntp, rtpTime, packets, octets, reports: blocks.map(([ours]) => ours) }];
  },
  rr: (r) => {
    const p = new rtpjs.ReceiverReportPacket();
    const blocks = many(r, 31, () => block(r));
    const ssrc = word(r);
    p.setSsrc(ssrc);
    for (const [, theirs] of blocks) p.addReport(theirs);
    return [p, { type: "rr", ssrc, reports: blocks.map(([ours]) => ours) }];
  },
  sdes: (r) => {
    const p = new rtpjs.SdesPacket();
    const chunks = many(r, 5, () => ({ ssrc: word(r), cname: "c".repeat(1 + randomInt(r, 30)) }));
    for (const c of chunks) {
      const chunk = new rtpjs.SdesChunk();
      chunk.setSsrc(c.ssrc);
      chunk.addItem(CNAME, c.cname);
      if (r() < 0.3) chunk.addItem(TOOL, "another".repeat(randomInt(r, 4)));
      p.addChunk(chunk);
    }
    return [p, { type: "sdes", chunks }];
  },
  bye: (r) => {
    const p = new rtpjs.ByePacket();
    const ssrcs = many(r, 31, () => word(r));
    for (const ssrc of ssrcs) p.addSsrc(ssrc);
    if (r() < 0.5) return [p, { type: "bye", ssrcs }];
    const reason = "gone ".repeat(1 + randomInt(r, 6));
    p.setReason(reason);
    return [p, { type: "bye", ssrcs, reason }];
  },
  nack: (r) => {
    const p = new rtpjs.NackPacket();
    const [sender, media] = [word(r), word(r)];
    p.setSenderSsrc(sender);
    p.setMediaSsrc(media);
    const items = Array.from({ length: 1 + randomInt(r, 20) }, () => {
      return { pid: randomInt(r, 65536), bitmask: randomInt(r, 65536) };
    });
    for (const i of items) p.addItem(i.pid, i.bitmask);
    const seqs = items.flatMap((i) => [
      i.pid,
      ...Array.from({ length: 16 }, (_, k) => k)
        .filter((k) => i.bitmask & (1 << k))
        .map((k) => (i.pid + k + 1) & 0xffff),
    ]);
    return [p, { type: "nack", sender, media, seqs }];
  },
  pli: (r) => {
    const p = new rtpjs.PliPacket();
    const [sender, media] = [word(r), word(r)];
    p.setSenderSsrc(sender);
    p.setMediaSsrc(media);
    return [p, { type: "pli", sender, media }];
  },
  xr: (r) => {
    const p = new rtpjs.XrPacket();
    const sender = word(r);
    p.setSsrc(sender);
    const rrtr = { seconds: word(r), fraction: word(r) };
    const time = new rtpjs.RrtExtendedReport();
    time.setNtpSeconds(rrtr.seconds);
    time.setNtpFraction(rrtr.fraction);
    p.addReport(time);
    const dlrr = many(r, 4, () => ({ ssrc: word(r), lastRr: word(r), delay: word(r) }));
    const echo = new rtpjs.DlrrExtendedReport();
    for (const d of dlrr) echo.addSubReport({ ssrc: d.ssrc, lrr: d.lastRr, dlrr: d.delay });
    p.addReport(echo);
    return [p, { type: "xr", sender, rrtr, dlrr }];
  },
};

function theirCompound(r: Random): { bytes: Uint8Array; packets: RtcpPacket[] } {
  const names = Object.keys(writers);
  const compound = new rtpjs.CompoundPacket();
  const packets: RtcpPacket[] = [];
  for (let n = 1 + randomInt(r, 5); n > 0; n--) {
    const made = writers[names[randomInt(r, names.length)] ?? ""]?.(r);
    if (!made) continue;
    compound.addPacket(made[0]);
    packets.push(made[1]);
  }
  const bytes = new Uint8Array(compound.getByteLength());
  compound.serialize(bytes.buffer);
  return { bytes, packets };
}

describe("compounds that rtp.js writes", () => {
  it("are read as meant", () => {
    const random = seededRandom(21);
    for (let i = 0; i < 250; i++) {
      const { bytes, packets } = theirCompound(random);
      expect(parseRtcp(bytes)).toEqual({ packets, malformed: 0 });
    }
  });

  it("cut anywhere, are read up to the cut, whatever lies behind it in memory", () => {
    const random = seededRandom(22);
    for (let i = 0; i < 15; i++) {
      const { bytes, packets } = theirCompound(random);
      for (let n = 0; n < bytes.length; n++) {
        const noise = new Uint8Array(n + 64).map(() => randomInt(random, 256));
        noise.set(bytes.subarray(0, n));
        const parsed = parseRtcp(noise.subarray(0, n));
        expect(parsed).toEqual(parseRtcp(bytes.slice(0, n)));
        expect(parsed.packets).toEqual(packets.slice(0, parsed.packets.length));
        expect(parsed.packets.length + parsed.malformed).toBeLessThanOrEqual(packets.length);
      }
    }
  });
});

/** Header and body as werift-rtp's readers want them. */
function split(b: Uint8Array): [Buffer, RtcpHeader] {
  return [Buffer.from(b.subarray(4)), RtcpHeader.deSerialize(Buffer.from(b.subarray(0, 4)))];
}

/** What werift-rtp makes of a feedback packet, in our words. */
function byWerift(b: Uint8Array): RtcpPacket {
  const [body, header] = split(b);
  const p =
    header.type === RtcpTransportLayerFeedback.type
      ? RtcpTransportLayerFeedback.deSerialize(body, header)
      : RtcpPayloadSpecificFeedback.deSerialize(body, header);
  const f = p.feedback;
  if ("fir" in f) {
    const entries = f.fir.map((e) => ({ ssrc: e.ssrc, seq: e.sequenceNumber }));
    return { type: "fir", sender: f.senderSsrc, entries };
  }
  if (f instanceof ReceiverEstimatedMaxBitrate) {
    return { type: "remb", sender: f.senderSsrc, bitrate: Number(f.bitrate), ssrcs: f.ssrcFeedbacks };
  }
  if (!(f instanceof TransportWideCC)) throw new Error(`werift-rtp reads ${f.constructor.name}`);
  return transportFeedback(f);
}

/** Its deltas add up to arrival times; its own sums are checked with those of ours. */
function transportFeedback(f: TransportWideCC): RtcpPacket {
  const statuses = f.packetChunks.flatMap((c) =>
    c instanceof RunLengthChunk ? Array<number>(c.runLength).fill(c.packetStatus) : c.symbolList,
  );
  let ms = ((f.referenceTime << 8) >> 8) * 64;
  let next = 0;
  const arrivals: { seq: number; ms: number }[] = [];
  for (const [k, status] of statuses.slice(0, f.packetStatusCount).entries()) {
    if (status === 0) continue;
    ms += (f.recvDeltas[next++]?.delta ?? Number.NaN) / 1000;
    arrivals.push({ seq: (f.baseSequenceNumber + k) & 0xffff, ms });
  }
  return {
    type: "twcc",
    sender: f.senderSsrc,
    media: f.mediaSourceSsrc,
    baseSeq: f.baseSequenceNumber,
    count: f.packetStatusCount,
    feedbackCount: f.fbPktCount,
    arrivals,
  };
}

describe("feedback that rtp.js does not know, by werift-rtp", () => {
  it.each(["fir", "remb", "twcc"])("reads our %s as we meant it", (name) => {
    const random = seededRandom(23);
    for (let i = 0; i < 150; i++) {
      const [bytes, packet] = kinds[name]?.(random) ?? [];
      expect(bytes && byWerift(bytes)).toEqual(packet);
    }
  });

  // Its FIR has a wrong length field, so that only its reader is a judge.
  it("writes REMB as we read it", () => {
    const random = seededRandom(25);
    for (let i = 0; i < 50; i++) {
      const ssrcs = Array.from({ length: 1 + randomInt(random, 4) }, () => word(random));
      const [brMantissa, brExp] = [randomInt(random, 0x40000), randomInt(random, 20)];
      const feedback = new ReceiverEstimatedMaxBitrate({
        senderSsrc: 7,
        mediaSsrc: 0,
        ssrcNum: ssrcs.length,
        ssrcFeedbacks: ssrcs,
        brMantissa,
        brExp,
      });
      const bytes = new RtcpPayloadSpecificFeedback({ feedback }).serialize();
      expect(parseRtcp(bytes).packets).toEqual([
        { type: "remb", sender: 7, bitrate: brMantissa * 2 ** brExp, ssrcs },
      ]);
    }
  });

  it("writes transport-wide feedback as we read it", () => {
    const feedback = new TransportWideCC({
      header: new RtcpHeader({ version: 2, type: 205, count: 15, padding: true }),
      senderSsrc: 1,
      mediaSourceSsrc: 2,
      baseSequenceNumber: 65_534,
      packetStatusCount: 3 + 7 + 14,
      referenceTime: 1000,
      fbPktCount: 9,
      packetChunks: [
        new RunLengthChunk({ packetStatus: 1, runLength: 3 }),
        new StatusVectorChunk({ type: 1, symbolSize: 1, symbolList: [0, 1, 2, 0, 2, 1, 0] }),
        new StatusVectorChunk({
          type: 1,
          symbolSize: 0,
          symbolList: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        }),
      ],
      recvDeltas: [250, 500, 63_750, 1000, -4000, 8_000_000, 250, 250, 250].map(
        (delta) => new RecvDelta({ delta }),
      ),
    });
    const bytes = new RtcpTransportLayerFeedback({ feedback }).serialize();
    const ms = [0.25, 0.75, 64.5, 65.5, 61.5, 8061.5, 8061.75, 8062, 8062.25];
    const seqs = [65_534, 65_535, 0, 2, 3, 5, 6, 8, 21];
    expect(parseRtcp(bytes).packets).toEqual([
      {
        type: "twcc",
        sender: 1,
        media: 2,
        baseSeq: 65_534,
        count: 24,
        feedbackCount: 9,
        arrivals: seqs.map((seq, i) => ({ seq, ms: 64_000 + (ms[i] ?? 0) })),
      },
    ]);
  });

  it("names our streams to rtp.js in the common header", () => {
    const fields = { sender: 11, media: 22, baseSeq: 3, feedbackCount: 4, referenceTime: 5, deltas: [1, 2] };
    const b = buildTransportFeedback(fields);
    const [p] = new rtpjs.CompoundPacket(new DataView(b.buffer)).getPackets();
    expect(p).toBeInstanceOf(rtpjs.GenericFeedbackPacket);
    if (!(p instanceof rtpjs.GenericFeedbackPacket)) return;
    expect([p.getMessageType(), p.getSenderSsrc(), p.getMediaSsrc()]).toEqual([15, 11, 22]);
    expect(p.getBody().byteLength).toBe(b.length - 12);
  });
});
