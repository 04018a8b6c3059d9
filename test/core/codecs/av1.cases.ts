import type { CodecCase } from "./codec-case.ts";
import { hex } from "./hex.ts";

/** Sequence headers with their sizes, as encoders wrote them, and the av1C that ffmpeg made of each. */
export const av1Sequences = {
  main64x48: { obu: hex("0a0a00000002aff79b5f2008"), config: "81000c00", size: [64, 48] },
  tenBit: { obu: hex("0a0b0000000c47b6e26d7ca020"), config: "81014c00", size: [494, 370] },
  high444: { obu: hex("0a0b20000024c4ffdf36be4080"), config: "81240000", size: [640, 480] },
  professional422: { obu: hex("0a0b400000043cffbcdaf94080"), config: "81404800", size: [320, 240] },
  professional12: { obu: hex("0a0b400000043cffbcdaf96220"), config: "81406800", size: [320, 240] },
  grey: { obu: hex("0a0a000000043cffbcdaf92a"), config: "81001c00", size: [320, 240] },
  still: { obu: hex("0a071821e7fded0040"), config: "81000c00", size: [320, 240] },
  described: { obu: hex("0a0e00000042abbfc3700be040404041"), config: "81080c00", size: [1920, 1080] },
  noLevel: { obu: hex("0a0e000000fa1e83e2210a88101010a0"), config: "811f0c00", size: [322, 242] },
  timing: {
    obu: hex("0a1e040000000400000065780000000a530000035f915f90bc3cffbcdaf90040"),
    config: "81000c00",
    size: [320, 240],
  },
} as const;

const sequence = av1Sequences.main64x48.obu;
/** The same without a size. */
const bareSequence = Uint8Array.from([0x08, ...sequence.subarray(2)]);

/** An OBU with its size; data up to 127 octets. */
export function obu(type: number, data: Uint8Array): Uint8Array {
  return Uint8Array.from([(type << 3) | 2, data.length, ...data]);
}
/** The same without a size. */
const bare = (type: number, data: Uint8Array) => Uint8Array.from([type << 3, ...data]);
const join = (...parts: (Uint8Array | readonly number[])[]) => Uint8Array.from(parts.flatMap((p) => [...p]));
const head = (text: string, ...parts: Uint8Array[]) => join(hex(text), ...parts);

/** Frames as far as their kind matters: a shown keyframe, a shown inter frame; then filling. */
export const av1Key = hex("10 00 ab 00 28 a2 8a 24 10 40 dd 4a d1 0d 57 48 9a 76 9f de 5c 71 1d 97");
const delta = hex("30 01 02 03 04 05 06 07");
const [FRAME_HEADER, TILE_GROUP, METADATA, FRAME] = [3, 4, 5, 6];
const key = bare(FRAME, av1Key);
/** Sequence header and keyframe as a temporal unit. */
export const av1KeyUnit = join(sequence, obu(FRAME, av1Key));
const metadata = hex("01 00 10 00 20 80");
const layered = (layers: number, data: Uint8Array) => join([(FRAME << 3) | 4, layers], data);

export const av1Cases: readonly CodecCase[] = [
  {
    name: "a keyframe with its sequence header in one packet",
    frame: av1KeyUnit,
    payloads: [head("28 0b", bareSequence, key)],
    keyframe: true,
    size: [64, 48],
    sender: { maxPayload: 1200 },
  },
  {
    name: "a keyframe in parts of nearly the same size",
    frame: av1KeyUnit,
    payloads: [head("18", bareSequence), head("50", key.subarray(0, 15)), head("90", key.subarray(15))],
    keyframe: true,
    size: [64, 48],
    sender: { maxPayload: 16 },
  },
  {
    name: "a delta frame",
    frame: obu(FRAME, delta),
    payloads: [head("10", bare(FRAME, delta))],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "the sender leaves out delimiter, tile list and padding",
    frame: obu(FRAME, delta),
    payloads: [head("10", bare(FRAME, delta))],
    keyframe: false,
    sender: {
      maxPayload: 1200,
      sent: join(hex("12 00"), obu(8, hex("0102")), obu(FRAME, delta), obu(15, hex("000080"))),
    },
  },
  {
    name: "the sender takes a last OBU without size",
    frame: obu(FRAME, delta),
    payloads: [head("10", bare(FRAME, delta))],
    keyframe: false,
    sender: { maxPayload: 1200, sent: bare(FRAME, delta) },
  },
  {
    name: "the sender puts three elements into a packet and the fourth into the next",
    frame: join(sequence, obu(METADATA, metadata), obu(FRAME_HEADER, hex("1000")), obu(TILE_GROUP, delta)),
    payloads: [
      head("38 0b", bareSequence, hex("07"), bare(METADATA, metadata), bare(FRAME_HEADER, hex("1000"))),
      head("10", bare(TILE_GROUP, delta)),
    ],
    keyframe: true,
    size: [64, 48],
    sender: { maxPayload: 1200 },
  },
  {
    name: "elements that all have a length, an empty one among them",
    frame: av1KeyUnit,
    payloads: [head("08 0b", bareSequence, hex("00 19"), key)],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "OBUs that bring their size",
    frame: av1KeyUnit,
    payloads: [head("28 0c", sequence, obu(FRAME, av1Key))],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "sizes and lengths in more octets than needed",
    frame: av1KeyUnit,
    payloads: [head("28 8b8000", bareSequence, hex("32 98808000"), av1Key)],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "delimiter, tile list and padding are left out",
    frame: av1KeyUnit,
    payloads: [head("08 0210000b", bareSequence, hex("02 4001 19"), key, hex("04 78000080"))],
    keyframe: true,
    size: [64, 48],
  },
  {
    name: "an OBU cut inside its header and again right behind it",
    frame: obu(FRAME, delta),
    payloads: [hex("50 32"), hex("d0 08"), head("d0", delta.subarray(0, 1)), head("90", delta.subarray(1))],
    keyframe: false,
  },
  {
    name: "an OBU that ends and another that begins in one packet",
    frame: join(obu(FRAME_HEADER, hex("3001")), obu(TILE_GROUP, delta)),
    payloads: [
      hex("50 18 30"),
      head("e0 01 01", bare(TILE_GROUP, delta).subarray(0, 4)),
      head("90", bare(TILE_GROUP, delta).subarray(4)),
    ],
    keyframe: false,
  },
  {
    name: "layer ids stay",
    frame: join([0x36, 0x48, delta.length], delta),
    payloads: [head("10", layered(0x48, delta))],
    keyframe: false,
  },
  {
    name: "an OBU longer than 127 octets",
    frame: join([0x32, 0x80, 0x02, 0x30], new Uint8Array(255)),
    payloads: [head("10 3030", new Uint8Array(255))],
    keyframe: false,
    sender: { maxPayload: 1200 },
  },
  {
    name: "a keyframe that is not shown is none",
    frame: join(sequence, obu(FRAME, hex("00 01 02"))),
    payloads: [head("28 0b", bareSequence, bare(FRAME, hex("00 01 02")))],
    keyframe: false,
  },
  {
    name: "a new sequence that begins with no keyframe is no keyframe",
    frame: obu(FRAME, delta),
    payloads: [head("18", bare(FRAME, delta))],
    keyframe: false,
  },
  {
    name: "a keyframe without a sequence header is nothing",
    frame: undefined,
    payloads: [head("10", key)],
  },
  {
    name: "a keyframe with a broken sequence header is nothing",
    frame: undefined,
    payloads: [head("28 04", bareSequence.subarray(0, 4), key)],
  },
  { name: "a sequence header alone is nothing", frame: undefined, payloads: [head("18", bareSequence)] },
  { name: "a tile group without its header is nothing", frame: undefined, payloads: [head("10 20", delta)] },
  {
    name: "a part without its beginning is nothing",
    frame: undefined,
    payloads: [head("90", delta), head("10", bare(FRAME, delta))],
  },
  {
    name: "a part without its end is nothing",
    frame: undefined,
    payloads: [head("50", bare(FRAME, delta)), head("10", bare(FRAME, delta))],
  },
  {
    name: "a unit that ends in the middle of an OBU is nothing",
    frame: undefined,
    payloads: [head("50", bare(FRAME, delta))],
  },
  {
    name: "a size that differs from what is there is nothing",
    frame: undefined,
    payloads: [head("10 32 07", delta)],
  },
  { name: "an OBU with the forbidden bit is nothing", frame: undefined, payloads: [head("10 b0", delta)] },
];

/** Payloads that no sender may write. */
export const av1Malformed: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", hex("")],
  ["an aggregation header alone", hex("10")],
  ["a new sequence that continues", hex("98 30 30")],
  ["an element longer than the packet", hex("20 05 30 30")],
  ["a length without end", hex("00 ffff")],
  ["a length of nine octets", hex("00 818080808080808080 30")],
  ["a length far past 32 bits", hex("00 ffffffffffffff7f 30")],
  ["fewer elements than counted", hex("30 02 30 30")],
];
