import { asciiBytes, concat } from "../../bytes.ts";

/** Element ids (RFC 8794 section 11.2, RFC 9559 section 5.1), marker bits included. */
export const Id = {
  EBML: 0x1a45dfa3,
  EBMLVersion: 0x4286,
  EBMLReadVersion: 0x42f7,
  EBMLMaxIDLength: 0x42f2,
  EBMLMaxSizeLength: 0x42f3,
  DocType: 0x4282,
  DocTypeVersion: 0x4287,
  DocTypeReadVersion: 0x4285,
  Void: 0xec,
  Segment: 0x18538067,
  SeekHead: 0x114d9b74,
  Seek: 0x4dbb,
  SeekID: 0x53ab,
  SeekPosition: 0x53ac,
  Info: 0x1549a966,
  TimestampScale: 0x2ad7b1,
  Duration: 0x4489,
  MuxingApp: 0x4d80,
  WritingApp: 0x5741,
  Tracks: 0x1654ae6b,
  TrackEntry: 0xae,
  TrackNumber: 0xd7,
  TrackUID: 0x73c5,
  TrackType: 0x83,
  FlagLacing: 0x9c,
  Language: 0x22b59c,
  CodecID: 0x86,
  CodecPrivate: 0x63a2,
  CodecDelay: 0x56aa,
  SeekPreRoll: 0x56bb,
  DefaultDuration: 0x23e383,
  Video: 0xe0,
  PixelWidth: 0xb0,
  PixelHeight: 0xba,
  Projection: 0x7670,
  ProjectionType: 0x7671,
  ProjectionPoseRoll: 0x7675,
  Audio: 0xe1,
  SamplingFrequency: 0xb5,
  Channels: 0x9f,
  BitDepth: 0x6264,
  Cluster: 0x1f43b675,
  Timestamp: 0xe7,
  SimpleBlock: 0xa3,
  BlockGroup: 0xa0,
  Block: 0xa1,
  ReferenceBlock: 0xfb,
  Cues: 0x1c53bb6b,
  CuePoint: 0xbb,
  CueTime: 0xb3,
  CueTrackPositions: 0xb7,
  CueTrack: 0xf7,
  CueClusterPosition: 0xf1,
} as const;

/** Eight octets that say "size unknown" (RFC 8794 section 6.2). */
export const UNKNOWN_SIZE: Uint8Array = Uint8Array.of(0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

/** The octets of an element id. */
export function idBytes(id: number): Uint8Array {
  const n = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1;
  return bigEndian(id, n);
}

/** A size as a variable-length integer (RFC 8794 section 4): as short as it goes, or `length` octets. */
export function sizeBytes(size: number, length?: number): Uint8Array {
  let n = length ?? 1;
  // The value with all bits set is reserved for "unknown".
  if (length === undefined) while (size >= 2 ** (7 * n) - 1) n++;
  const b = bigEndian(size, n);
  b[0] = (b[0] ?? 0) | (0x80 >> (n - 1));
  return b;
}

/** An element with its content. */
export function element(id: number, ...content: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const c of content) size += c.length;
  return concat([idBytes(id), sizeBytes(size), ...content]);
}

/** An unsigned-integer element, as short as it goes. */
export function uint(id: number, value: number): Uint8Array {
  let n = 1;
  while (value >= 2 ** (8 * n)) n++;
  return element(id, bigEndian(value, n));
}

/** A 64-bit float element. */
export function float(id: number, value: number): Uint8Array {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setFloat64(0, value);
  return element(id, b);
}

/** An ASCII string element. */
export function text(id: number, value: string): Uint8Array {
  return element(id, asciiBytes(value));
}

/** A Void element of exactly `total` octets, header included; `total` is at least 2. */
export function voidElement(total: number): Uint8Array {
  const b = new Uint8Array(total);
  b[0] = Id.Void;
  if (total < 10) b[1] = 0x80 | (total - 2);
  else b.set(sizeBytes(total - 9, 8), 1);
  return b;
}

/** `value` in `n` octets. */
export function bigEndian(value: number, n: number): Uint8Array {
  const b = new Uint8Array(n);
  let v = value;
  for (let i = n - 1; i >= 0; i--) {
    b[i] = v % 256;
    v = Math.floor(v / 256);
  }
  return b;
}
