import { concat, putU32, u8 } from "../../bytes.ts";

/** Packet identifiers of what a program is made of; the two tables' among them. */
export const Pid = { pat: 0, pmt: 0x1000, video: 0x100, audio: 0x101 } as const;

/** Types of elementary streams (ISO/IEC 13818-1 table 2-34): H.264, AAC in ADTS. */
const StreamType = { h264: 0x1b, adts: 0x0f } as const;
const TableId = { pat: 0, pmt: 2 } as const;
/** Numbers of the only transport stream and the only program in it. */
const STREAM = 1;
const PROGRAM = 1;

/** The program association table: where the program's map is (section 2.4.4.3). */
export function programAssociation(): Uint8Array {
  return section(TableId.pat, STREAM, [...sixteen(PROGRAM), ...pidField(Pid.pmt)]);
}

/** The program map table: what the program is made of (section 2.4.4.8). */
export function programMap(hasVideo: boolean, hasAudio: boolean): Uint8Array {
  const stream = (type: number, pid: number) => [type, ...pidField(pid), 0xf0, 0];
  return section(TableId.pmt, PROGRAM, [
    // The clock comes with the first of the streams. No descriptors.
    ...pidField(hasVideo ? Pid.video : Pid.audio),
    ...[0xf0, 0],
    ...(hasVideo ? stream(StreamType.h264, Pid.video) : []),
    ...(hasAudio ? stream(StreamType.adts, Pid.audio) : []),
  ]);
}

/** A section of a table, with a zero before it: it begins at once (section 2.4.4.2). */
function section(table: number, id: number, content: readonly number[]): Uint8Array {
  // Behind the length: five octets of header, the content, four of checksum. Version 0, current, the only section.
  const length = 5 + content.length + 4;
  const head = [table, 0xb0 | (length >> 8), length, ...sixteen(id), 0xc1, 0, 0];
  const checked = Uint8Array.of(...head, ...content);
  const sum = new Uint8Array(4);
  putU32(sum, 0, crc32(checked));
  return concat([Uint8Array.of(0), checked, sum]);
}

function sixteen(v: number): number[] {
  return [v >> 8, v & 0xff];
}

/** Thirteen bits behind three reserved ones. */
function pidField(pid: number): number[] {
  return sixteen(0xe000 | pid);
}

/** Annex A: polynomial 04C11DB7, ones at the start, nothing reflected or inverted. */
function crc32(b: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < b.length; i++) {
    crc ^= u8(b, i) << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return crc;
}
