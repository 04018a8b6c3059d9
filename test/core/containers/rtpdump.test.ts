import { describe, expect, test } from "vitest";
import { asciiBytes, concat } from "../../../src/core/bytes.ts";
import { type RtpDumpPacket, RtpDumpReader } from "../../../src/core/containers/rtpdump/reader.ts";
import {
  MAX_PACKET,
  putRtpDumpPacket,
  rtpDumpHeader,
  rtpDumpSize,
} from "../../../src/core/containers/rtpdump/writer.ts";
import { randomInt, seededRandom } from "../../../src/core/random.ts";
import { millis, wallMillis } from "../../../src/core/time.ts";

const START = wallMillis(1_700_000_000_123);

function packet(bytes: Uint8Array, at: number, rtcp = false): Uint8Array {
  const out = new Uint8Array(rtpDumpSize(bytes));
  putRtpDumpPacket(out, 0, bytes, rtcp, millis(at));
  return out;
}

/** Everything in a dump that is pushed in pieces of `step` octets. */
function read(dump: Uint8Array, step = dump.length): { reader: RtpDumpReader; packets: RtpDumpPacket[] } {
  const reader = new RtpDumpReader();
  const packets: RtpDumpPacket[] = [];
  for (let i = 0; i < dump.length; i += step) {
    reader.push(dump.subarray(i, i + step));
    for (let p = reader.next(); p; p = reader.next()) packets.push(p);
  }
  reader.end();
  for (let p = reader.next(); p; p = reader.next()) packets.push(p);
  return { reader, packets };
}

/** What the format's description says, read by nothing of ours. */
function readByTheBook(dump: Uint8Array) {
  const newline = dump.indexOf(10);
  const line = new TextDecoder().decode(dump.subarray(0, newline));
  const v = new DataView(dump.buffer, dump.byteOffset + newline + 1);
  const head = {
    seconds: v.getUint32(0),
    micros: v.getUint32(4),
    source: v.getUint32(8),
    port: v.getUint16(12),
  };
  const packets: { length: number; plen: number; offset: number; data: number[] }[] = [];
  for (let i = 16; i < v.byteLength; ) {
    const length = v.getUint16(i);
    const data = [...new Uint8Array(v.buffer, v.byteOffset + i + 8, length - 8)];
    packets.push({ length, plen: v.getUint16(i + 2), offset: v.getUint32(i + 4), data });
    i += length;
  }
  return { line, head, packets };
}

const some = [
  packet(Uint8Array.of(0x80, 96, 0, 1, 2), 0),
  packet(Uint8Array.of(0x80, 200, 0, 0), 7, true),
  packet(new Uint8Array(1200).fill(9), 20),
];

describe("a dump", () => {
  test("is what the description of rtptools says", () => {
    const { line, head, packets } = readByTheBook(concat([rtpDumpHeader(START), ...some]));
    expect(line).toMatch(/^#!rtpplay1\.0 \d+\.\d+\.\d+\.\d+\/\d+$/);
    expect(head).toEqual({ seconds: 1_700_000_000, micros: 123_000, source: 0, port: 1 });
    expect(packets.map(({ length, plen, offset }) => [length, plen, offset])).toEqual([
      [13, 5, 0],
      [12, 0, 7],
      [1208, 1200, 20],
    ]);
    expect(packets[0]?.data).toEqual([0x80, 96, 0, 1, 2]);
  });

  test.each([1, 2, 3, 5, 7, 64, 10_000])("reads back in pieces of %d octets", (step) => {
    const { reader, packets } = read(concat([rtpDumpHeader(START), ...some]), step);
    expect(reader.start).toBe(START);
    expect(packets.map((p) => [p.at, p.rtcp, p.bytes.length])).toEqual([
      [0, false, 5],
      [7, true, 4],
      [20, false, 1200],
    ]);
    expect([reader.malformed, reader.damaged, reader.pending]).toEqual([false, false, 0]);
  });

  test("that is cut anywhere gives the packets before the cut", () => {
    const dump = concat([rtpDumpHeader(START), ...some]);
    const ends = [some[0]?.length ?? 0, some[1]?.length ?? 0, some[2]?.length ?? 0];
    const header = rtpDumpHeader(START).length;
    for (let cut = 0; cut < dump.length; cut++) {
      let whole = 0;
      for (let end = header; whole < 3 && end + (ends[whole] ?? 0) <= cut; whole++) end += ends[whole] ?? 0;
      const { reader, packets } = read(dump.subarray(0, cut));
      expect(packets).toHaveLength(whole);
      expect([reader.malformed, reader.damaged]).toEqual([false, false]);
    }
  });

  test("holds the largest packet that fits its length field", () => {
    const { packets } = read(concat([rtpDumpHeader(START), packet(new Uint8Array(MAX_PACKET).fill(7), 1)]));
    expect(packets[0]?.bytes.length).toBe(MAX_PACKET);
  });

  test("of more than 49 days goes on", () => {
    const late = [0xffff_fff0, 0x1_0000_0010, 0x1_0000_0020].map((t) => packet(Uint8Array.of(1), t));
    const { packets } = read(concat([rtpDumpHeader(START), ...late]));
    expect(packets.map((p) => p.at)).toEqual([0xffff_fff0, 0x1_0000_0010, 0x1_0000_0020]);
  });

  test("whose times go back keeps its order", () => {
    const { packets } = read(
      concat([rtpDumpHeader(START), packet(Uint8Array.of(1), 50), packet(Uint8Array.of(2), 40)]),
    );
    expect(packets.map((p) => p.at)).toEqual([50, 50]);
  });

  test("of somebody else's may hold headers only: such packets are left out, and it says so", () => {
    const cut = packet(Uint8Array.of(1, 2, 3), 5);
    cut[3] = 200;
    const { reader, packets } = read(concat([rtpDumpHeader(START), cut, ...some]));
    expect(packets).toHaveLength(3);
    expect(reader.damaged).toBe(true);
  });

  test("keeps the packets it gave: later pushes do not change them", () => {
    const dump = concat([rtpDumpHeader(START), ...some]);
    const { packets } = read(dump, 9);
    dump.fill(0);
    expect([...(packets[0]?.bytes ?? [])]).toEqual([0x80, 96, 0, 1, 2]);
  });
});

describe("a damaged dump", () => {
  const media = Array.from({ length: 400 }, (_, i) => {
    const report = i % 50 === 49;
    const bytes = new Uint8Array(report ? 8 : 100 + ((i * 37) % 1000)).fill(i);
    bytes.set(report ? [0x81, 201, 0, 1] : [0x80, 96]);
    return packet(bytes, 20 * i, report);
  });
  const whole = () => concat([rtpDumpHeader(START), ...media]);
  const starts = media.map((_, i) => rtpDumpHeader(START).length + concat(media.slice(0, i)).length);

  test.each([50, 300, 100_000])(
    "goes on behind octets that are no packets, in pieces of %d octets",
    (step) => {
      const random = seededRandom(5);
      const junk = Uint8Array.from({ length: 70_000 }, () => randomInt(random, 256));
      for (const between of [new Uint8Array(40), junk, media[3]?.subarray(0, 50) ?? junk]) {
        const { reader, packets } = read(
          concat([rtpDumpHeader(START), ...media.slice(0, 9), between, ...media]),
          step,
        );
        // A packet that is there in part takes two of the next with it, as its length says.
        expect(packets).toHaveLength(9 + media.length - (between.length === 50 ? 1 : 0));
        expect([reader.malformed, reader.damaged]).toEqual([false, true]);
      }
    },
  );

  test("loses the packet whose header is damaged, and few others", () => {
    for (let bit = 0; bit < 32; bit++) {
      for (const i of [0, 49, 120, 399]) {
        const dump = whole();
        const at = (starts[i] ?? 0) + (bit >> 3);
        dump[at] = (dump[at] ?? 0) ^ (1 << (bit & 7));
        const { packets } = read(dump);
        expect(packets.length).toBeGreaterThanOrEqual(media.length - 1);
        expect(packets.length).toBeLessThanOrEqual(media.length);
      }
    }
  });

  test("keeps its clock where the time of one packet is damaged", () => {
    for (let bit = 0; bit < 32; bit++) {
      for (const i of [0, 49, 120, 399]) {
        const dump = whole();
        const at = (starts[i] ?? 0) + 4 + (bit >> 3);
        dump[at] = (dump[at] ?? 0) ^ (1 << (bit & 7));
        const { packets } = read(dump);
        expect(packets).toHaveLength(media.length);
        expect(packets.at(-1)?.at).toBeLessThan(20 * 400 + 600_000);
        for (const p of packets.slice(0, i)) expect(p.at).toBeLessThan(20 * 400);
      }
    }
  });

  test("is not one for hours without a packet", () => {
    const times = [0, 20, 7_200_000, 7_200_020, 90_000_000, 200_000_000, 200_000_000];
    const { reader, packets } = read(
      concat([rtpDumpHeader(START), ...times.map((t) => packet(Uint8Array.of(0x80, 1), t))]),
    );
    expect(packets.map((p) => p.at)).toEqual(times);
    expect(reader.damaged).toBe(false);
  });

  test("is not one for RTCP that is none, as it came", () => {
    const odd = Array.from({ length: 40 }, (_, i) => packet(Uint8Array.of(0x80, 200, 9, 9, i), i, true));
    const { reader, packets } = read(concat([rtpDumpHeader(START), ...odd, ...some, ...odd]), 11);
    expect(packets).toHaveLength(83);
    expect(reader.damaged).toBe(false);
  });
});

describe("what is no dump", () => {
  test.each([
    ["another first line", asciiBytes("#!rtpplay2.0 1.2.3.4/5\n")],
    ["a line without an end", asciiBytes(`#!rtpplay1.0 ${"x".repeat(500)}`)],
    ["a picture", Uint8Array.of(0x89, 0x50, 0x4e, 0x47)],
  ])("%s is refused", (_, bytes) => {
    const { reader, packets } = read(bytes);
    expect(reader.malformed).toBe(true);
    expect(packets).toEqual([]);
    reader.push(concat(some));
    expect(reader.next()).toBeUndefined();
  });

  test("random octets never throw and never give more than was pushed", () => {
    const random = seededRandom(4);
    for (let round = 0; round < 3000; round++) {
      const dump = concat([rtpDumpHeader(START), ...some]);
      for (let i = randomInt(random, 12); i > 0; i--)
        dump[randomInt(random, dump.length)] = randomInt(random, 256);
      const { packets } = read(
        dump.subarray(0, randomInt(random, dump.length + 1)),
        1 + randomInt(random, 300),
      );
      expect(packets.reduce((n, p) => n + p.bytes.length, 0)).toBeLessThan(dump.length);
    }
  });
});
