import { type Random, randomInt } from "../../../../src/core/random.ts";
import {
  buildBye,
  buildDlrr,
  buildReceiverReport,
  buildReferenceTime,
  buildSdes,
  buildSenderReport,
  compound,
} from "../../../../src/core/rtp/rtcp/build.ts";
import { buildFir, buildNacks, buildPli, buildRemb } from "../../../../src/core/rtp/rtcp/build-feedback.ts";
import type { ReportBlock, RtcpPacket } from "../../../../src/core/rtp/rtcp/packet.ts";
import { buildTransportFeedback } from "../../../../src/core/rtp/rtcp/twcc-build.ts";

const word = (r: Random) => randomInt(r, 0x1_0000_0000);
const list = <T>(r: Random, max: number, make: () => T) =>
  Array.from({ length: randomInt(r, max + 1) }, make);

function block(r: Random): ReportBlock {
  return {
    ssrc: word(r),
    fractionLost: randomInt(r, 256),
    cumulativeLost: randomInt(r, 0x1000000) - 0x800000,
    highestSeq: word(r),
    jitter: word(r),
    lastSr: word(r),
    delaySinceLastSr: word(r),
  };
}

/** One RTCP packet of each kind: its bytes, and what parsing them must give. */
export const kinds: Record<string, (r: Random) => [Uint8Array, RtcpPacket]> = {
  sr: (r) => {
    const sr = {
      ssrc: word(r),
      ntp: { seconds: word(r), fraction: word(r) },
      rtpTime: word(r),
      packets: word(r),
      octets: word(r),
      reports: list(r, 4, () => block(r)),
    };
    return [buildSenderReport(sr), { type: "sr", ...sr }];
  },
  rr: (r) => {
    const ssrc = word(r);
    const reports = list(r, 31, () => block(r));
    return [buildReceiverReport(ssrc, reports), { type: "rr", ssrc, reports }];
  },
  sdes: (r) => {
    const ssrc = word(r);
    const cname = "x".repeat(randomInt(r, 40));
    return [buildSdes(ssrc, cname), { type: "sdes", chunks: [{ ssrc, cname }] }];
  },
  bye: (r) => {
    const ssrcs = list(r, 31, () => word(r));
    const reason = "bye".repeat(1 + randomInt(r, 5));
    if (r() < 0.5) return [buildBye(ssrcs), { type: "bye", ssrcs }];
    return [buildBye(ssrcs, reason), { type: "bye", ssrcs, reason }];
  },
  nack: (r) => {
    const sender = word(r);
    const media = word(r);
    const first = randomInt(r, 65536) + 65536;
    const seqs = [...new Set([first, ...list(r, 60, () => first + randomInt(r, 300))])].sort((a, b) => a - b);
    const [b = new Uint8Array(0)] = buildNacks(sender, media, seqs);
    return [b, { type: "nack", sender, media, seqs: seqs.map((s) => s & 0xffff) }];
  },
  pli: (r) => {
    const sender = word(r);
    const media = word(r);
    return [buildPli(sender, media), { type: "pli", sender, media }];
  },
  fir: (r) => {
    const sender = word(r);
    const entries = [{ ssrc: word(r), seq: randomInt(r, 256) }];
    return [buildFir(sender, entries[0]?.ssrc ?? 0, entries[0]?.seq ?? 0), { type: "fir", sender, entries }];
  },
  remb: (r) => {
    const sender = word(r);
    const bitrate = randomInt(r, 0x40000) * 2 ** randomInt(r, 20);
    const ssrcs = list(r, 5, () => word(r));
    return [buildRemb(sender, bitrate, ssrcs), { type: "remb", sender, bitrate, ssrcs }];
  },
  twcc: (r) => {
    const sender = word(r);
    const media = word(r);
    const baseSeq = randomInt(r, 65536);
    const feedbackCount = randomInt(r, 256);
    const referenceTime = randomInt(r, 0x1000000) - 0x800000;
    const loss = r();
    const large = r() * r();
    const deltas: (number | undefined)[] = [];
    while (deltas.length < 1 + randomInt(r, 400)) {
      const lost = r() < loss;
      const run = r() < 0.1 ? randomInt(r, 60) : 1;
      const delta = () => (r() < large ? randomInt(r, 65536) - 32768 : randomInt(r, 256));
      for (let k = 0; k < run; k++) deltas.push(lost ? undefined : delta());
    }
    let ms = referenceTime * 64;
    const arrivals = [];
    for (const [k, d] of deltas.entries()) {
      if (d === undefined) continue;
      ms += d / 4;
      arrivals.push({ seq: (baseSeq + k) & 0xffff, ms });
    }
    return [
      buildTransportFeedback({ sender, media, baseSeq, feedbackCount, referenceTime, deltas }),
      { type: "twcc", sender, media, baseSeq, count: deltas.length, feedbackCount, arrivals },
    ];
  },
  rrtr: (r) => {
    const sender = word(r);
    const rrtr = { seconds: word(r), fraction: word(r) };
    return [buildReferenceTime(sender, rrtr), { type: "xr", sender, rrtr, dlrr: [] }];
  },
  dlrr: (r) => {
    const sender = word(r);
    const dlrr = list(r, 4, () => ({ ssrc: word(r), lastRr: word(r), delay: word(r) }));
    return [buildDlrr(sender, dlrr), { type: "xr", sender, dlrr }];
  },
};

/** A random compound of packets of the named kinds. */
export function randomCompound(
  r: Random,
  names: readonly string[],
): { bytes: Uint8Array; packets: RtcpPacket[]; ends: number[] } {
  const parts: Uint8Array[] = [];
  const packets: RtcpPacket[] = [];
  const ends: number[] = [];
  let at = 0;
  for (let n = 1 + randomInt(r, 5); n > 0; n--) {
    const make = kinds[names[randomInt(r, names.length)] ?? ""];
    if (!make) continue;
    const [bytes, packet] = make(r);
    parts.push(bytes);
    packets.push(packet);
    at += bytes.length;
    ends.push(at);
  }
  return { bytes: compound(parts).slice(), packets, ends };
}
