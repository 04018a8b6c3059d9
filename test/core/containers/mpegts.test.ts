import { expect, test } from "vitest";
import { concat, putU32, u8, u16 } from "../../../src/core/bytes.ts";
import { type TsSample, TsWriter } from "../../../src/core/containers/mpegts/writer.ts";
import { transportStream } from "../../../src/core/media/transport-stream.ts";
import { hex } from "../codecs/hex.ts";

const sps = hex("674d401e");
const pps = hex("68ee3c80");
const sound = { coreType: 2, frequencyIndex: 3, channelConfig: 2, sampleRate: 48_000 };
const both = { video: { parameterSets: [sps, pps] }, audio: sound };
const [VIDEO, AUDIO] = [0x100, 0x101];
const delimiter = hex("00000001 09f0");

/** A unit out of packets: a PES packet or a table's section, with what its first packet's adaptation field says. */
type Unit = { pid: number; randomAccess: boolean; pcr: number | undefined; bytes: Uint8Array };

/** Takes a transport stream apart, and asks of every packet what must be so. */
function unitsOf(ts: Uint8Array): Unit[] {
  const units: Unit[] = [];
  const open = new Map<number, Unit>();
  const counters = new Map<number, number>();
  for (let at = 0; at < ts.length; at += 188) {
    const p = ts.subarray(at, at + 188);
    const pid = u16(p, 1) & 0x1fff;
    expect([p.length, p[0], u8(p, 3) & 0xd0]).toEqual([188, 0x47, 0x10]);
    const counter = u8(p, 3) & 15;
    expect(counter).toBe(((counters.get(pid) ?? -1) + 1) % 16);
    counters.set(pid, counter);
    const field = u8(p, 3) & 0x20 ? p.subarray(5, 5 + u8(p, 4)) : undefined;
    const begin = field ? 5 + field.length : 4;
    expect(begin).toBeLessThan(188);
    const hasPcr = (u8(field ?? p, 0) & 0x10) !== 0 && field !== undefined && field.length > 0;
    if (field) expect(field.subarray(hasPcr ? 7 : 1).every((v) => v === 0xff)).toBe(true);
    const pcr =
      field && hasPcr
        ? clockOf(
            [...field.subarray(1, 5)].reduce((v, x) => v * 256 + x, 0),
            u8(field, 5),
          )
        : undefined;
    const randomAccess = field !== undefined && field.length > 0 && (u8(field, 0) & 0x40) !== 0;
    if (u8(p, 1) & 0x40) {
      const unit = { pid, randomAccess, pcr, bytes: p.slice(begin) };
      open.set(pid, unit);
      units.push(unit);
      continue;
    }
    const unit = open.get(pid);
    if (!unit) throw new Error("a packet continues nothing");
    expect([randomAccess, pcr]).toEqual([false, undefined]);
    unit.bytes = concat([unit.bytes, p.subarray(begin)]);
  }
  return units;
}

const clockOf = (high: number, low: number) => high * 2 + (low >> 7);

/** Stream, presentation time and content of a PES packet. */
function pesOf(unit: Unit) {
  const b = unit.bytes;
  expect([...b.subarray(0, 3)]).toEqual([0, 0, 1]);
  expect([b[6], b[7], b[8]]).toEqual([0x84, 0x80, 5]);
  if (u16(b, 4) !== 0) expect(u16(b, 4)).toBe(b.length - 6);
  // Marker bits are between the pieces.
  expect([u8(b, 9) & 0xf1, u8(b, 11) & 1, u8(b, 13) & 1]).toEqual([0x21, 1, 1]);
  const pts = ((u8(b, 9) >> 1) & 7) * 2 ** 30 + (u16(b, 10) >> 1) * 2 ** 15 + (u16(b, 12) >> 1);
  return { stream: u8(b, 3), pts, content: b.slice(14) };
}

/** A picture of one NAL unit, `size` octets long. */
function picture(size: number, time = 0, keyframe = false): TsSample {
  const data = new Uint8Array(4 + size).fill(size % 251);
  putU32(data, 0, size);
  data[4] = keyframe ? 0x65 : 0x41;
  return { data, time, duration: 3000, keyframe };
}
const aac = (n: number, size = 10): TsSample => {
  return { data: new Uint8Array(size).fill(n), time: 1024 * n, duration: 1024, keyframe: true };
};

test("the tables tell what is in the stream, and are counted like all packets", () => {
  const w = new TsWriter(both);
  const units = unitsOf(concat([w.tables(), w.tables()]));
  const table = (u: Unit | undefined, size: number) => u?.bytes.subarray(0, size);
  // With the checksum that every stream with this table has.
  expect(table(units[0], 17)).toEqual(hex("00 00b00d0001c100000001f000 2ab104b2"));
  expect(table(units[1], 23)).toEqual(hex("00 02b0170001c10000e100f000 1be100f000 0fe101f000"));
  expect(units.map((u) => u.pid)).toEqual([0, 0x1000, 0, 0x1000]);
  const [, onlyAudio] = unitsOf(new TsWriter({ audio: sound }).tables());
  expect(table(onlyAudio, 18)).toEqual(hex("00 02b0120001c10000e101f000 0fe101f000"));
  const [, onlyVideo] = unitsOf(new TsWriter({ video: both.video }).tables());
  expect(table(onlyVideo, 18)).toEqual(hex("00 02b0120001c10000e100f000 1be100f000"));
});

test("pictures of every size come whole, each behind a delimiter", () => {
  const w = new TsWriter(both);
  const sizes = Array.from({ length: 380 }, (_, i) => i + 1);
  const units = unitsOf(concat(sizes.map((size) => w.video(picture(size, 3000 * size)))));
  expect(units.length).toBe(sizes.length);
  for (const [i, size] of sizes.entries()) {
    const { stream, pts, content } = pesOf(units[i] ?? { pid: 0, randomAccess: false, pcr: 0, bytes: sps });
    expect([stream, pts]).toEqual([0xe0, 90_000 + 3000 * size]);
    expect(
      Buffer.compare(content, concat([delimiter, hex("00000001"), picture(size).data.subarray(4)])),
    ).toBe(0);
  }
});

test("decoding can begin at keyframes, which the parameter sets come before", () => {
  const w = new TsWriter(both);
  const units = unitsOf(
    concat([w.video(picture(1000, 0, true)), w.video(picture(20, 3000)), w.video(picture(900, 6000, true))]),
  );
  expect(units.map((u) => [u.pid, u.randomAccess])).toEqual([
    [VIDEO, true],
    [VIDEO, false],
    [VIDEO, true],
  ]);
  const head = concat([delimiter, hex("00000001"), sps, hex("00000001"), pps, hex("00000001 65")]);
  const contents = units.map((u) => pesOf(u).content);
  expect(contents[0]?.subarray(0, head.length)).toEqual(head);
  expect(contents[1]?.subarray(0, 11)).toEqual(concat([delimiter, hex("00000001 41")]));
  expect(contents[2]?.subarray(0, head.length)).toEqual(head);
});

test("a picture's own delimiters, empty units and a torn rest are left out", () => {
  const data = hex("00000002 09f0  00000000  00000003 410203  00000009 4105");
  const [unit] = unitsOf(new TsWriter(both).video({ data, time: 0, duration: 3000, keyframe: false }));
  expect(unit && pesOf(unit).content).toEqual(concat([delimiter, hex("00000001 410203")]));
});

test("times and clock begin anew after 33 bits, the clock ahead of what is shown", () => {
  const w = new TsWriter(both);
  const end = 2 ** 33;
  const times = [0, 2 ** 32, end - 90_001, end - 90_000, end - 20_000, 3 * end + 7];
  const units = unitsOf(concat(times.map((t) => w.video(picture(50, t)))));
  expect(units.map((u) => pesOf(u).pts)).toEqual([90_000, 2 ** 32 + 90_000, end - 1, 0, 70_000, 90_007]);
  expect(units.map((u) => u.pcr)).toEqual([
    27_000,
    2 ** 32 + 27_000,
    end - 63_001,
    end - 63_000,
    7000,
    27_007,
  ]);
});

test("sound goes out in ADTS, several pieces in a packet with the first one's time", () => {
  const w = new TsWriter(both);
  const units = unitsOf(concat([w.audio([aac(0), aac(1, 300), aac(2)]), w.audio([aac(3)]), w.audio([])]));
  expect(units.map((u) => [u.pid, u.randomAccess, u.pcr])).toEqual([
    [AUDIO, true, undefined],
    [AUDIO, true, undefined],
  ]);
  const [first, second] = units.map(pesOf);
  expect([first?.stream, first?.pts, second?.pts]).toEqual([0xc0, 90_000, 90_000 + 5760]);
  const frames = [
    ...[hex("fff14c80023ffc"), aac(0).data],
    ...[hex("fff14c80267ffc"), aac(1, 300).data],
    ...[hex("fff14c80023ffc"), aac(2).data],
  ];
  expect(first?.content).toEqual(concat(frames));
});

test("sound without pictures brings the clock", () => {
  const units = unitsOf(new TsWriter({ audio: sound }).audio([aac(0)]));
  expect(units.map((u) => u.pcr)).toEqual([27_000]);
});

test("a hole in the sound, and more of it than a packet holds, begin another one", () => {
  const w = new TsWriter(both);
  const holed = unitsOf(w.audio([aac(0), aac(1), aac(5)])).map(pesOf);
  expect(holed.map((p) => [p.pts, p.content.length])).toEqual([
    [90_000, 34],
    [90_000 + 9600, 17],
  ]);
  const long = [...Array(20).keys()].map((n) => aac(n, 8000));
  const units = unitsOf(new TsWriter(both).audio(long)).map(pesOf);
  expect(units.map((p) => [p.pts, p.content.length])).toEqual([
    [90_000, 8 * 8007],
    [90_000 + 8 * 1920, 8 * 8007],
    [90_000 + 16 * 1920, 4 * 8007],
  ]);
});

test("sound too long for ADTS is left out, and what the stream does not have is not written", () => {
  expect(unitsOf(new TsWriter(both).audio([aac(0, 8185)]))).toEqual([]);
  expect(unitsOf(new TsWriter(both).audio([aac(0, 8184)])).map((u) => pesOf(u).content.length)).toEqual([
    8191,
  ]);
  expect(new TsWriter({ audio: sound }).video(picture(9))).toHaveLength(0);
  expect(new TsWriter({ video: both.video }).audio([aac(0)])).toHaveLength(0);
});

test("a stream begins from the codecs' configurations, where they are understood", () => {
  const avcC = hex("014d401effe1 0004 674d401e 01 0004 68ee3c80");
  const w = transportStream({ video: { config: avcC }, audio: { config: hex("1190") } });
  const same = new TsWriter(both);
  expect(w?.tables()).toEqual(same.tables());
  expect(w?.video(picture(30, 0, true))).toEqual(same.video(picture(30, 0, true)));
  expect(w?.audio([aac(1)])).toEqual(same.audio([aac(1)]));
  const twoOctets = hex("014d401efde1 0004 674d401e 01 0004 68ee3c80");
  const refused = [
    { video: { config: twoOctets } },
    { video: { config: sps } },
    { audio: { config: hex("11") } },
  ];
  // Type 42 has no number in ADTS.
  for (const o of [...refused, { audio: { config: hex("f94640") } }])
    expect(transportStream(o)).toBeUndefined();
});
