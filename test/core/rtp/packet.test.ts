import { describe, expect, it } from "vitest";
import { buildRtp, emptyRtpView, isRtcp, parseRtp, payloadOf } from "../../../src/core/rtp/packet.ts";

/** A header with `first` as its first octet, then anything. */
function datagram(first: number, ...rest: number[]): Uint8Array {
  return new Uint8Array([first, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef, ...rest]);
}
const parse = (b: Uint8Array) => {
  const v = emptyRtpView();
  return parseRtp(b, v) ? v : undefined;
};

describe("parsing RTP headers (RFC 3550 section 5.1)", () => {
  it("reads every field", () => {
    expect(parse(datagram(0x80, 7, 8, 9))).toMatchObject({
      payloadType: 96,
      marker: true,
      seq: 0x1234,
      timestamp: 0x01020304,
      ssrc: 0xdeadbeef,
      extLength: 0,
      payloadOffset: 12,
      payloadEnd: 15,
      padding: 0,
    });
  });

  it.each([0, 1, 15])("skips %d contributing sources", (cc) => {
    const b = datagram(0x80 | cc, ...new Array(4 * cc).fill(0xaa), 5);
    expect(parse(b)?.payloadOffset).toBe(12 + 4 * cc);
    expect(parse(b.subarray(0, 12 + 4 * cc))?.payloadEnd).toBe(12 + 4 * cc);
    if (cc > 0) expect(parse(b.subarray(0, 11 + 4 * cc))).toBeUndefined();
  });

  it("finds the extension block behind the contributing sources", () => {
    const b = datagram(0x91, 1, 1, 1, 1, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0, 77);
    const v = parse(b);
    expect(v).toMatchObject({ extProfile: 0xbede, extOffset: 20, extLength: 4, payloadOffset: 24 });
  });

  it.each([
    ["shorter than the fixed header", datagram(0x80).subarray(0, 11)],
    ["version 1", datagram(0x40)],
    ["version 3", datagram(0xc0)],
    ["extension header cut off", datagram(0x90, 0xbe, 0xde, 0)],
    ["extension longer than the packet", datagram(0x90, 0xbe, 0xde, 0, 1, 0, 0, 0)],
    ["padding count 0", datagram(0xa0, 1, 2, 0)],
    ["padding longer than the payload", datagram(0xa0, 1, 2, 4)],
    ["padding over the extension", datagram(0xb0, 0xbe, 0xde, 0, 0, 1, 3)],
    ["padding flag without any payload", datagram(0xa0)],
  ])("drops a packet with %s", (_, b) => expect(parse(b)).toBeUndefined());

  it("keeps padding out of the payload, down to nothing", () => {
    expect(parse(datagram(0xa0, 1, 2, 0, 2))).toMatchObject({ payloadEnd: 14, padding: 2 });
    expect(parse(datagram(0xa0, 0, 0, 3))).toMatchObject({ payloadOffset: 12, payloadEnd: 12, padding: 3 });
  });

  it("fills one struct again and again without leftovers", () => {
    const v = emptyRtpView();
    parseRtp(datagram(0xb0, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 9, 1), v);
    parseRtp(datagram(0x80, 5), v);
    expect(v).toMatchObject({ extProfile: 0, extLength: 0, padding: 0, payloadOffset: 12 });
    expect([...payloadOf(v)]).toEqual([5]);
  });

  it.each([
    [191, false],
    [192, true],
    [223, true],
    [224, false],
  ])("takes second octet %d for RTCP: %s (RFC 5761 section 4)", (second, is) => {
    expect(isRtcp(new Uint8Array([0x80, second]))).toBe(is);
  });
});

describe("building RTP packets", () => {
  it("writes what parsing reads, and pads extensions to whole words", () => {
    const fields = { payloadType: 111, marker: true, seq: 65535, timestamp: 0xffffffff, ssrc: 0x80000001 };
    const payload = new Uint8Array([1, 2, 3]);
    for (const size of [1, 3, 16]) {
      const b = buildRtp({ ...fields, payload, extensions: [{ id: 14, data: new Uint8Array(size) }] });
      const v = parse(b);
      expect(v).toMatchObject({ ...fields, extProfile: 0xbede });
      expect(v && [...payloadOf(v)]).toEqual([1, 2, 3]);
      expect((v?.extLength ?? 1) % 4).toBe(0);
    }
  });

  it.each([
    ["an id above 14", 15, 1],
    ["no data", 1, 0],
    ["more than 16 octets", 1, 17],
  ])("takes the two-byte form for %s", (_, id, size) => {
    const b = buildRtp({
      payloadType: 96,
      marker: false,
      seq: 0,
      timestamp: 0,
      ssrc: 0,
      payload: new Uint8Array(0),
      extensions: [{ id, data: new Uint8Array(size) }],
    });
    expect(parse(b)?.extProfile).toBe(0x1000);
  });
});
