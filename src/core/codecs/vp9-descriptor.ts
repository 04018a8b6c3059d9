import { putU16, u8, u16 } from "../bytes.ts";

/** A VP9 payload descriptor (RFC 9628 section 4.2). Absent numbers are -1. Filled in place, again and again. */
export type Vp9Descriptor = {
  /** Octets of the descriptor: the VP9 data begins here. */
  length: number;
  /** P: the layer frame refers to other pictures. */
  interPicture: boolean;
  /** F: references are listed in every packet, not in a picture group. */
  flexible: boolean;
  /** B and E: the first and the last packet of a layer frame. */
  begins: boolean;
  ends: boolean;
  /** 7 or 15 bits, as `pictureIdBits` says. */
  pictureId: number;
  pictureIdBits: number;
  /** L: the stream has layers. Without it both layer ids are -1. */
  temporalId: number;
  spatialId: number;
  /** U: later pictures of higher temporal layers refer to none of those layers before this one. */
  switchUp: boolean;
  /** D: the layer frame refers to the spatial layer below, in the same picture. */
  interLayer: boolean;
  /** Non-flexible mode with layers only. */
  tl0PicIdx: number;
  /** Where the sizes of the spatial layers stand, four octets each, and how many there are; -1 and 0: none. */
  sizesAt: number;
  sizes: number;
};

/** A descriptor that describes nothing yet. */
export function emptyVp9Descriptor(): Vp9Descriptor {
  return {
    length: 0,
    interPicture: false,
    flexible: false,
    begins: false,
    ends: false,
    pictureId: -1,
    pictureIdBits: -1,
    temporalId: -1,
    spatialId: -1,
    switchUp: false,
    interLayer: false,
    tl0PicIdx: -1,
    sizesAt: -1,
    sizes: 0,
  };
}

/** References of one packet at most. */
const MAX_REFERENCES = 3;

/** Parses the descriptor at the head of `p` into `d`. False when it is cut short or no VP9 data follows it. */
export function parseVp9Descriptor(p: Uint8Array, d: Vp9Descriptor): boolean {
  const b0 = u8(p, 0);
  let i = 1;
  d.interPicture = (b0 & 0x40) !== 0;
  d.flexible = (b0 & 0x10) !== 0;
  d.begins = (b0 & 0x08) !== 0;
  d.ends = (b0 & 0x04) !== 0;
  d.pictureId = -1;
  d.pictureIdBits = -1;
  if (b0 & 0x80) {
    d.pictureIdBits = u8(p, i) & 0x80 ? 15 : 7;
    d.pictureId = d.pictureIdBits === 15 ? u16(p, i) & 0x7fff : u8(p, i);
    i += d.pictureIdBits === 15 ? 2 : 1;
  }
  d.temporalId = -1;
  d.spatialId = -1;
  d.switchUp = false;
  d.interLayer = false;
  d.tl0PicIdx = -1;
  if (b0 & 0x20) {
    const b = u8(p, i++);
    d.temporalId = b >> 5;
    d.switchUp = (b & 0x10) !== 0;
    d.spatialId = (b >> 1) & 7;
    d.interLayer = (b & 1) !== 0;
    if (!d.flexible) d.tl0PicIdx = u8(p, i++);
  }
  if (d.flexible && d.interPicture) {
    let references = 1;
    while (u8(p, i++) & 1) if (++references > MAX_REFERENCES) return false;
  }
  d.sizesAt = -1;
  d.sizes = 0;
  if (b0 & 0x02) i = readStructure(p, i, d);
  d.length = i;
  return i < p.length;
}

/** Reads a scalability structure (section 4.2.1) and returns where it ends. */
function readStructure(p: Uint8Array, at: number, d: Vp9Descriptor): number {
  const b = u8(p, at);
  let i = at + 1;
  if (b & 0x10) {
    d.sizesAt = i;
    d.sizes = (b >> 5) + 1;
    i += 4 * d.sizes;
  }
  if (b & 0x08) {
    const pictures = u8(p, i++);
    for (let n = 0; n < pictures && i < p.length; n++) i += 1 + ((u8(p, i) >> 2) & 3);
  }
  return i;
}

/** What our sender says of a packet. */
export type Vp9PacketHead = {
  readonly begins: boolean;
  readonly ends: boolean;
  /** The picture refers to the one before it. */
  readonly interPicture: boolean;
  readonly pictureId: number;
  /** Of the picture; goes into a scalability structure. */
  readonly size?: { readonly width: number; readonly height: number } | undefined;
};

/** Octets that `writeVp9Descriptor` writes. */
export function vp9DescriptorLength(h: Pick<Vp9PacketHead, "interPicture" | "size">): number {
  return 3 + (h.interPicture ? 1 : 0) + (h.size ? 5 : 0);
}

/**
 * Writes a descriptor in flexible mode with a 15-bit picture id at the head of `p`. Without layers, browsers take
 * no other: in non-flexible mode libwebrtc drops what has no TL0PICIDX.
 */
export function writeVp9Descriptor(p: Uint8Array, h: Vp9PacketHead): void {
  p[0] = 0x90 | (h.interPicture ? 0x40 : 0) | (h.begins ? 8 : 0) | (h.ends ? 4 : 0) | (h.size ? 2 : 0);
  putU16(p, 1, 0x8000 | h.pictureId);
  let i = 3;
  // P_DIFF 1, no further reference.
  if (h.interPicture) p[i++] = 1 << 1;
  if (!h.size) return;
  // One spatial layer with its size, no picture group.
  p[i] = 0x10;
  putU16(p, i + 1, h.size.width);
  putU16(p, i + 3, h.size.height);
}
