import { u8, u16 } from "../bytes.ts";

/** A VP8 payload descriptor (RFC 7741 section 4.2). Absent fields are -1. Filled in place, again and again. */
export type Vp8Descriptor = {
  /** Bytes of the descriptor: the VP8 data begins here. */
  length: number;
  /** First packet of the first partition: S set and PID 0. */
  start: boolean;
  /** N: no other frame refers to this one. */
  nonReference: boolean;
  /** 7 or 15 bits, as `pictureIdBits` says. */
  pictureId: number;
  pictureIdBits: number;
  tl0PicIdx: number;
  temporalId: number;
  /** Y: the frame depends only on the base layer. */
  layerSync: boolean;
  keyIdx: number;
};

/** A descriptor that describes nothing yet. */
export function emptyVp8Descriptor(): Vp8Descriptor {
  return {
    length: 0,
    start: false,
    nonReference: false,
    pictureId: -1,
    pictureIdBits: -1,
    tl0PicIdx: -1,
    temporalId: -1,
    layerSync: false,
    keyIdx: -1,
  };
}

/**
 * Parses the descriptor at the head of `p` into `d`. False when it is cut short or no VP8 data follows it.
 * TL0PICIDX without TID breaks the RFC, yet senders exist: it is accepted.
 */
export function parseVp8Descriptor(p: Uint8Array, d: Vp8Descriptor): boolean {
  const b0 = u8(p, 0);
  let i = 1;
  d.start = (b0 & 0x17) === 0x10;
  d.nonReference = (b0 & 0x20) !== 0;
  d.pictureId = -1;
  d.pictureIdBits = -1;
  d.tl0PicIdx = -1;
  d.temporalId = -1;
  d.layerSync = false;
  d.keyIdx = -1;
  if (b0 & 0x80) {
    const x = u8(p, i++);
    if (x & 0x80) {
      if (u8(p, i) & 0x80) {
        d.pictureId = u16(p, i) & 0x7fff;
        d.pictureIdBits = 15;
        i += 2;
      } else {
        d.pictureId = u8(p, i++);
        d.pictureIdBits = 7;
      }
    }
    if (x & 0x40) d.tl0PicIdx = u8(p, i++);
    // T and K share one byte.
    if (x & 0x30) {
      const b = u8(p, i++);
      if (x & 0x20) {
        d.temporalId = b >> 6;
        d.layerSync = (b & 0x20) !== 0;
      }
      if (x & 0x10) d.keyIdx = b & 0x1f;
    }
  }
  d.length = i;
  return i < p.length;
}

/** Bytes of the descriptor that `writeVp8Descriptor` writes. */
export const VP8_DESCRIPTOR_LENGTH = 4;

/** Writes a descriptor with a 15-bit picture id at the head of `p`. */
export function writeVp8Descriptor(p: Uint8Array, start: boolean, pictureId: number): void {
  p[0] = start ? 0x90 : 0x80;
  p[1] = 0x80;
  p[2] = 0x80 | ((pictureId >> 8) & 0x7f);
  p[3] = pictureId & 0xff;
}
