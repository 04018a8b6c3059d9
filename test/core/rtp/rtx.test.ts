import { describe, expect, it } from "vitest";
import { asciiBytes, putU16 } from "../../../src/core/bytes.ts";
import { seededRandom } from "../../../src/core/random.ts";
import { ExtensionMap, noExtensions } from "../../../src/core/rtp/extension-map.ts";
import { ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { buildRtp, emptyRtpView, parseRtp, payloadOf } from "../../../src/core/rtp/packet.ts";
import { RtxUnwrapper } from "../../../src/core/rtp/rtx.ts";
import { SendHeader } from "../../../src/core/rtp/send/header.ts";
import { RtpSendStream } from "../../../src/core/rtp/send/stream.ts";
import { millis } from "../../../src/core/time.ts";

const association = { primarySsrc: 0x11, primaryPayloadType: 96 };
const unwrapper = new RtxUnwrapper();

function parsed(b: Uint8Array) {
  const v = emptyRtpView();
  expect(parseRtp(b, v)).toBe(true);
  return v;
}
/** An RTX packet of `osn` and media, with raw octets of padding behind it. */
function rtx(osn: number | undefined, media: number[], padding = 0, extensions: [number, string][] = []) {
  const payload = new Uint8Array([
    ...(osn === undefined ? [] : [0, 0]),
    ...media,
    ...new Array(padding).fill(0),
  ]);
  if (osn !== undefined) putU16(payload, 0, osn);
  const b = buildRtp({
    payloadType: 97,
    marker: true,
    seq: 700,
    timestamp: 0xabcdef01,
    ssrc: 0x22,
    payload,
    extensions: extensions.map(([id, text]) => ({ id, data: asciiBytes(text) })),
  });
  if (padding > 0) {
    b[0] = (b[0] ?? 0) | 0x20;
    b[b.length - 1] = padding;
  }
  return b;
}

describe("restoring packets from RTX (RFC 4588 section 4)", () => {
  it("gives back what the sender sent, byte by byte", () => {
    const stream = new RtpSendStream({
      ssrc: 0x11,
      payloadType: 96,
      clockRate: 90_000,
      header: new SendHeader({}, {}),
      rtx: { ssrc: 0x22, payloadType: 97 },
      random: seededRandom(2),
      start: millis(0),
    });
    for (let n = 0; n < 300; n++) {
      const payload = new Uint8Array(n).map((_, i) => i + n);
      const p = stream.packet({ payload, marker: n % 3 === 0, mediaTimeUs: n * 1000, identify: false });
      const v = parsed(stream.repeat(p));
      expect(v.ssrc).toBe(0x22);
      expect(unwrapper.unwrap(v, association)).toBe(true);
      expect(v.buf).toEqual(p.bytes);
      expect(v).toEqual(parsed(p.bytes));
    }
  });

  it.each([
    ["one-byte", "high"],
    ["two-byte", "a-name-of-more-than-sixteen"],
  ])("turns the repaired RID into the RID (%s form) and keeps the others", (_, rid) => {
    const map = new ExtensionMap(
      new Map([
        [1, ExtensionUri.mid],
        [2, ExtensionUri.rid],
        [3, ExtensionUri.repairedRid],
      ]),
    );
    const v = parsed(
      rtx(65_535, [1, 2, 3], 0, [
        [1, "0"],
        [3, rid],
      ]),
    );
    const ids = { repairedRidId: map.idOf(ExtensionUri.repairedRid), ridId: map.idOf(ExtensionUri.rid) };
    expect(unwrapper.unwrap(v, { ...association, ...ids })).toBe(true);
    const out = noExtensions();
    map.read(v, out);
    expect(out).toMatchObject({ mid: "0", rid, repairedRid: undefined });
    expect(parsed(v.buf)).toEqual(v);
    expect([...payloadOf(v)]).toEqual([1, 2, 3]);
    expect(v.seq).toBe(65_535);
  });

  it("keeps padding behind the payload", () => {
    const v = parsed(rtx(9, [5, 6], 4));
    expect(unwrapper.unwrap(v, association)).toBe(true);
    expect([...payloadOf(v)]).toEqual([5, 6]);
    expect(v.padding).toBe(4);
    expect(parsed(v.buf)).toEqual(v);
  });

  it("restores a packet whose payload was empty", () => {
    const v = parsed(rtx(9, []));
    expect(unwrapper.unwrap(v, association)).toBe(true);
    expect(v).toMatchObject({ seq: 9, ssrc: 0x11, payloadType: 96, marker: true });
    expect(payloadOf(v)).toHaveLength(0);
  });

  it.each([
    ["nothing but padding (a bandwidth probe)", rtx(undefined, [], 200)],
    ["one octet", rtx(undefined, [1])],
    ["no payload", rtx(undefined, [])],
  ])("leaves a packet with %s alone", (_, b) => {
    const v = parsed(b);
    const before = { ...v, buf: b.slice() };
    expect(unwrapper.unwrap(v, association)).toBe(false);
    expect(v).toEqual(before);
  });
});
