import { describe, expect, it } from "vitest";
import { u8, u16, u24 } from "../../../../src/core/bytes.ts";
import { seededRandom } from "../../../../src/core/random.ts";
import { emptyRtpView, parseRtp, payloadOf, type RtpView } from "../../../../src/core/rtp/packet.ts";
import { SendHeader, stampPacket } from "../../../../src/core/rtp/send/header.ts";
import { RtpSendStream } from "../../../../src/core/rtp/send/stream.ts";
import { millis } from "../../../../src/core/time.ts";

const ids = { absSendTime: 2, transportCc: 3, audioLevel: 1, mid: 4, rid: 10, repairedRid: 11 };

function view(b: Uint8Array): RtpView {
  const v = emptyRtpView();
  expect(parseRtp(b, v)).toBe(true);
  return v;
}

/** Header extensions of a packet as id -> hex, by a reader of its own. */
function extensions(b: Uint8Array): Map<number, string> {
  const v = view(b);
  const out = new Map<number, string>();
  const two = v.extProfile !== 0xbede;
  for (let i = v.extOffset; i < v.extOffset + v.extLength; ) {
    const id = two ? u8(b, i) : u8(b, i) >> 4;
    if (id === 0) {
      i++;
      continue;
    }
    const n = two ? u8(b, i + 1) : (u8(b, i) & 15) + 1;
    i += two ? 2 : 1;
    out.set(id, Buffer.from(b.subarray(i, i + n)).toString("hex"));
    i += n;
  }
  return out;
}
const hex = (s: string) => Buffer.from(s).toString("hex");

function stream(
  o: { seed?: number; rtx?: boolean; rid?: string | undefined; ids?: typeof ids } = {},
): RtpSendStream {
  return new RtpSendStream({
    ssrc: 0x1111,
    payloadType: 96,
    clockRate: 90_000,
    start: millis(1000),
    header: new SendHeader(o.ids ?? ids, { mid: "1", rid: o.rid }),
    rtx: o.rtx === false ? undefined : { ssrc: 0x2222, payloadType: 97 },
    random: seededRandom(o.seed ?? 1),
  });
}
const payload = (n: number, fill = 7) => new Uint8Array(n).fill(fill);
const media = (n: number, mediaTimeUs = 0, identify = false) => ({
  payload: payload(n),
  marker: true,
  mediaTimeUs,
  identify,
});

describe("an outgoing stream", () => {
  it("starts below 2^15 with a random timestamp, whatever the seed", () => {
    const offsets = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const s = stream({ seed });
      const p = s.packet(media(10));
      expect(p.seq).toBeLessThan(0x8000);
      expect(view(s.repeat(p)).seq).toBeLessThan(0x8000);
      offsets.add(p.timestamp);
    }
    expect(offsets.size).toBe(200);
  });

  it("numbers packets over the 16-bit boundary and times them over the 32-bit one", () => {
    const s = stream({ seed: 3 });
    const first = s.packet(media(1));
    for (let i = 1; i < 70_000; i++) {
      const p = s.packet(media(1, i * 1_000_000));
      if (p.seq !== ((first.seq + i) & 0xffff)) throw new Error(`packet ${i} has number ${p.seq}`);
      if (p.timestamp !== (first.timestamp + i * 90_000) % 0x1_0000_0000)
        throw new Error(`packet ${i} has timestamp ${p.timestamp}`);
    }
  });

  it("counts payload octets only, without header and extensions", () => {
    const s = stream();
    for (const n of [1, 100, 1000]) s.sent(s.packet(media(n)), millis(0));
    expect(s.counters).toEqual({ packets: 3, octets: 1101, retransmittedPackets: 0, retransmittedOctets: 0 });
  });

  it("carries MID and RID until a receiver reports, and then on keyframes", () => {
    const s = stream({ rid: "hi" });
    const has = (identify: boolean) => {
      const e = extensions(s.packet(media(10, 0, identify)).bytes);
      return [e.get(4), e.get(10)];
    };
    for (let i = 0; i < 50; i++) expect(has(false)).toEqual([hex("1"), hex("hi")]);
    s.acknowledge();
    expect(has(false)).toEqual([undefined, undefined]);
    expect(has(true)).toEqual([hex("1"), hex("hi")]);
  });

  it("keeps three simulcast layers apart: own SSRC, numbers, RID and repaired RID", () => {
    const layers = ["q", "h", "f"].map((rid, i) => {
      const s = new RtpSendStream({
        ssrc: 100 + i,
        payloadType: 96,
        clockRate: 90_000,
        start: millis(1000),
        header: new SendHeader(ids, { mid: "v", rid }),
        rtx: { ssrc: 200 + i, payloadType: 97 },
        random: seededRandom(i),
      });
      const p = s.packet(media(20));
      s.sent(p, millis(0));
      return { rid, p, rtx: s.repeat(p) };
    });
    expect(new Set(layers.map((l) => l.p.timestamp)).size).toBe(3);
    for (const [i, l] of layers.entries()) {
      expect(view(l.p.bytes).ssrc).toBe(100 + i);
      expect(extensions(l.p.bytes).get(10)).toBe(hex(l.rid));
      const e = extensions(l.rtx);
      expect(view(l.rtx).ssrc).toBe(200 + i);
      expect(e.get(11)).toBe(hex(l.rid));
      expect(e.get(4)).toBe(hex("v"));
      expect(e.has(10)).toBe(false);
    }
  });

  it("wraps a repeat as RFC 4588 says: version 2, own SSRC and numbers, original number before the payload", () => {
    const s = stream();
    const p = s.packet(media(300, 40_000));
    s.sent(p, millis(0));
    const a = view(s.repeat(p));
    const b = view(s.repeat(p));
    expect(u8(a.buf, 0) >> 6).toBe(2);
    expect(a).toMatchObject({ payloadType: 97, ssrc: 0x2222, marker: true, timestamp: p.timestamp });
    expect(b.seq).toBe(a.seq + 1);
    expect(u16(payloadOf(a), 0)).toBe(p.seq);
    expect(payloadOf(a).subarray(2)).toEqual(payload(300));
    expect(s.counters).toMatchObject({ packets: 1, retransmittedPackets: 2, retransmittedOctets: 600 });
  });

  it("repeats the packet as it was where RTX was not negotiated", () => {
    const s = stream({ rtx: false });
    const p = s.packet(media(300));
    const again = s.repeat(p);
    expect(again).toEqual(p.bytes);
    stampPacket(again, ids, 0x123456, 1);
    expect(u24(p.bytes, 17)).toBe(0);
  });

  it.each([
    ["one-byte", ids],
    ["two-byte", { ...ids, mid: 20 }],
  ])("stamps send time and transport number in place (%s form)", (_name, ids) => {
    const s = stream({ ids, rid: "a" });
    const p = s.packet({ ...media(10), audioLevel: 30 });
    const rtx = s.repeat(p);
    for (const b of [p.bytes, rtx]) {
      stampPacket(b, ids, 0xabcdef, 0x1234);
      const e = extensions(b);
      expect(e.get(2)).toBe("abcdef");
      expect(e.get(3)).toBe("1234");
      expect(e.get(ids.mid)).toBe(hex("1"));
      expect(view(b).payloadEnd - view(b).payloadOffset).toBe(b === rtx ? 12 : 10);
    }
    expect(extensions(p.bytes).get(1)).toBe((0x80 | 30).toString(16));
  });

  it("sends the audio level where it is known, with the voice bit unless it is silence", () => {
    const s = stream();
    const level = (audioLevel?: number) => extensions(s.packet({ ...media(5), audioLevel }).bytes).get(1);
    expect([level(0), level(30), level(127), level()]).toEqual(["80", "9e", "7f", undefined]);
    s.acknowledge();
    expect([level(5), level()]).toEqual(["85", undefined]);
  });

  it("stamps only what was negotiated, and nothing where nothing was", () => {
    const only = { transportCc: 5 };
    const s = new RtpSendStream({
      ssrc: 1,
      payloadType: 111,
      clockRate: 48_000,
      start: millis(1000),
      header: new SendHeader(only, { mid: "0" }),
      random: seededRandom(1),
    });
    const p = s.packet(media(5));
    stampPacket(p.bytes, only, 0xffffff, 0x4321);
    expect(extensions(p.bytes)).toEqual(new Map([[5, "4321"]]));
    const bare = new RtpSendStream({
      ssrc: 1,
      payloadType: 111,
      clockRate: 48_000,
      start: millis(1000),
      header: new SendHeader({}, {}),
      random: seededRandom(1),
    }).packet(media(5));
    const before = bare.bytes.slice();
    stampPacket(bare.bytes, {}, 0xffffff, 0x4321);
    expect(bare.bytes).toEqual(before);
    expect(bare.bytes.length).toBe(17);
  });

  it("never spends more on headers than it announces", () => {
    for (const rid of [undefined, "h", "a-long-rid-name"])
      for (const rtx of [true, false]) {
        const s = stream({ rtx, rid });
        const p = s.packet({ ...media(0, 0, true), audioLevel: 1 });
        expect(p.bytes.length).toBeLessThanOrEqual(s.header.overhead);
        expect(s.repeat(p).length).toBeLessThanOrEqual(s.header.overhead);
      }
  });

  it("extrapolates its RTP clock to any local time", () => {
    const s = stream();
    expect(s.timestampAt(millis(1000))).toBe(s.timestampOf(0));
    expect(s.timestampAt(millis(2500.5))).toBe((s.timestampOf(0) + 135_045) >>> 0);
  });
});
