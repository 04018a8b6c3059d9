import { describe, expect, it } from "vitest";
import { asciiBytes } from "../../../src/core/bytes.ts";
import { ExtensionMap, noExtensions } from "../../../src/core/rtp/extension-map.ts";
import {
  AbsSendTimeUnwrapper,
  type CaptureTime,
  readCaptureTime,
  writeAbsSendTime,
  writeAudioLevel,
  writeCaptureTime,
  writeRotation,
  writeTransportSeq,
} from "../../../src/core/rtp/extension-values.ts";
import { ExtensionReader, ExtensionUri } from "../../../src/core/rtp/extensions.ts";
import { buildRtp, type ExtensionElement, emptyRtpView, parseRtp } from "../../../src/core/rtp/packet.ts";

function view(profile: number, block: number[]) {
  const words = block.length / 4;
  const head = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
  const b = new Uint8Array([...head, profile >> 8, profile & 255, 0, words, ...block, 0x42]);
  const v = emptyRtpView();
  expect(parseRtp(b, v)).toBe(true);
  return v;
}
function built(extensions: ExtensionElement[]) {
  const v = emptyRtpView();
  const payload = new Uint8Array(0);
  const b = buildRtp({ payloadType: 96, marker: false, seq: 1, timestamp: 2, ssrc: 3, payload, extensions });
  expect(parseRtp(b, v)).toBe(true);
  return v;
}
const reader = new ExtensionReader();
function elements(profile: number, block: number[]) {
  const v = view(profile, block);
  const out: string[] = [];
  reader.begin(v);
  while (reader.next()) {
    out.push(`${reader.id}:${v.buf.subarray(reader.offset, reader.offset + reader.length).join(",")}`);
  }
  return reader.malformed ? [...out, "malformed"] : out;
}

describe("walking header extensions (RFC 8285 section 4)", () => {
  it.each<[string, number, number[], string[]]>([
    ["one element", 0xbede, [0x11, 7, 8, 0], ["1:7,8"]],
    ["padding before, between and after", 0xbede, [0, 0x10, 7, 0, 0, 0x20, 8, 0], ["1:7", "2:8"]],
    ["id 15: the rest is ignored", 0xbede, [0x10, 7, 0xf0, 0x20, 8, 0, 0, 0], ["1:7"]],
    ["id 0 with a length", 0xbede, [0x10, 7, 0x02, 0x20], ["1:7", "malformed"]],
    ["an element beyond the block", 0xbede, [0x10, 7, 0x23, 1], ["1:7", "malformed"]],
    ["sixteen octets", 0xbede, [0x3f, ...new Array(16).fill(9), 0, 0, 0], [`3:${new Array(16).fill(9)}`]],
    ["an empty block", 0xbede, [], []],
    ["two-byte form", 0x1000, [1, 2, 7, 8, 200, 0, 0, 0], ["1:7,8", "200:"]],
    ["two-byte form with appbits", 0x100f, [15, 1, 7, 0], ["15:7"]],
    ["two-byte form, a lone last octet", 0x1000, [1, 1, 7, 2, 2, 9, 9, 9], ["1:7", "2:9,9", "malformed"]],
    ["two-byte length cut off", 0x1000, [1, 1, 7, 2], ["1:7", "malformed"]],
    ["two-byte overrun", 0x1000, [1, 4, 7, 2], ["malformed"]],
    ["another profile", 0x1010, [1, 1, 7, 0], []],
    ["yet another profile", 0xabcd, [0x10, 7, 0, 0], []],
  ])("reads %s", (_, profile, block, expected) => {
    expect(elements(profile, block)).toEqual(expected);
  });

  it("never looks beyond the block, wherever it is cut", () => {
    const block = [0x12, 1, 2, 3, 0x21, 4, 5, 0x31, 6, 7, 0, 0];
    for (let words = 0; words <= 3; words++) {
      const v = view(0xbede, block.slice(0, 4 * words));
      reader.begin(v);
      while (reader.next())
        expect(reader.offset + reader.length).toBeLessThanOrEqual(v.extOffset + v.extLength);
    }
  });
});

const ids = new Map<number, string>([
  [1, ExtensionUri.mid],
  [2, ExtensionUri.rid],
  [3, ExtensionUri.repairedRid],
  [4, ExtensionUri.absSendTime],
  [5, ExtensionUri.transportCc],
  [6, ExtensionUri.audioLevel],
  [7, ExtensionUri.videoOrientation],
  [8, ExtensionUri.absCaptureTime],
]);
const capture: CaptureTime = { ntp: { seconds: 0xe0000001, fraction: 0x80000000 }, clockOffsetMs: -250 };

describe("negotiated extensions", () => {
  it("reads all of them from one packet", () => {
    const v = built([
      { id: 1, data: asciiBytes("0") },
      { id: 2, data: asciiBytes("hi") },
      { id: 3, data: asciiBytes("lo") },
      { id: 4, data: writeAbsSendTime(0xabcdef) },
      { id: 5, data: writeTransportSeq(0xfffe) },
      { id: 6, data: writeAudioLevel({ level: 33, voice: true }) },
      { id: 7, data: writeRotation(270) },
      { id: 8, data: writeCaptureTime(capture) },
      { id: 9, data: new Uint8Array(3) },
    ]);
    const out = noExtensions();
    expect(new ExtensionMap(ids).read(v, out)).toBe(true);
    expect(out).toEqual({
      mid: "0",
      rid: "hi",
      repairedRid: "lo",
      absSendTime: 0xabcdef,
      transportSeq: 0xfffe,
      audioLevel: 33,
      voice: true,
      rotation: 270,
      captureTime: capture,
    });
  });

  it("leaves nothing of the packet before", () => {
    const map = new ExtensionMap(ids);
    const out = noExtensions();
    map.read(built([{ id: 1, data: asciiBytes("audio") }]), out);
    expect(out.mid).toBe("audio");
    map.read(built([]), out);
    expect(out).toEqual(noExtensions());
  });

  it("ignores elements whose length is not the extension's", () => {
    const out = noExtensions();
    const wrong = [4, 5, 6, 7, 8].map((id) => ({ id, data: new Uint8Array(5) }));
    expect(new ExtensionMap(ids).read(built([...wrong, { id: 1, data: new Uint8Array(0) }]), out)).toBe(true);
    expect(out).toEqual(noExtensions());
  });

  it("keeps what came before a broken element and says that it is broken", () => {
    const out = noExtensions();
    expect(new ExtensionMap(ids).read(view(0xbede, [0x10, 0x61, 0x4f, 1]), out)).toBe(false);
    expect(out.mid).toBe("a");
  });

  it("tells names apart however many there are", () => {
    const map = new ExtensionMap(ids);
    const out = noExtensions();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 100; i++) {
        map.read(built([{ id: 1, data: asciiBytes(`m${i}`) }]), out);
        expect(out.mid).toBe(`m${i}`);
      }
    }
  });

  it("translates both ways", () => {
    const map = new ExtensionMap(ids);
    expect(map.idOf(ExtensionUri.transportCc)).toBe(5);
    expect(map.uriOf(5)).toBe(ExtensionUri.transportCc);
    expect(map.idOf("urn:none")).toBeUndefined();
    expect(map.uriOf(14)).toBeUndefined();
  });

  it.each([0, 0.5, -0.5, 1234.5, -61_000])("carries a capture clock offset of %d ms", (clockOffsetMs) => {
    const b = writeCaptureTime({ ...capture, clockOffsetMs });
    expect(readCaptureTime(b, 0, 16)?.clockOffsetMs).toBeCloseTo(clockOffsetMs, 5);
    expect(readCaptureTime(b, 0, 8)).toEqual({ ntp: capture.ntp });
  });

  it("unwraps send times over 64 seconds, small steps back included", () => {
    const u = new AbsSendTimeUnwrapper();
    const at = (ms: number) => Math.floor((ms * 2 ** 18) / 1000) & 0xffffff;
    const origin = u.unwrap(at(60_000));
    for (const ms of [61_000, 63_999, 63_990, 64_010, 80_000, 110_000, 128_500]) {
      expect(u.unwrap(at(ms)) - origin).toBeCloseTo(ms - 60_000, 1);
    }
  });
});
