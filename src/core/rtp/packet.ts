import { putU16, putU32, u8, u16, u32 } from "../bytes.ts";

/**
 * A parsed RTP packet as offsets into the datagram (RFC 3550 section 5.1). `parseRtp` can fill one struct
 * again and again; whoever keeps a packet keeps its own.
 */
export type RtpView = {
  /** The datagram. */
  buf: Uint8Array;
  payloadType: number;
  marker: boolean;
  /** 16-bit sequence number. */
  seq: number;
  /** 32-bit timestamp. */
  timestamp: number;
  ssrc: number;
  /** Header-extension profile (0xBEDE, 0x100x, other); 0: none. */
  extProfile: number;
  /** Extension block after its four-byte header: [extOffset, extOffset + extLength). */
  extOffset: number;
  extLength: number;
  /** Payload without padding: [payloadOffset, payloadEnd). May be empty. */
  payloadOffset: number;
  payloadEnd: number;
  /** Padding octets, the count octet included. */
  padding: number;
};

const EMPTY = new Uint8Array(0);

/** A view that describes nothing yet. */
export function emptyRtpView(): RtpView {
  return {
    buf: EMPTY,
    payloadType: 0,
    marker: false,
    seq: 0,
    timestamp: 0,
    ssrc: 0,
    extProfile: 0,
    extOffset: 0,
    extLength: 0,
    payloadOffset: 0,
    payloadEnd: 0,
    padding: 0,
  };
}

/** True when a datagram on a muxed transport is RTCP (RFC 5761 section 4): second byte 192..223. */
export function isRtcp(b: Uint8Array): boolean {
  const t = u8(b, 1);
  return t >= 192 && t <= 223;
}

/** Parses `b` into `out`. False when the packet is malformed; `out` is then undefined in content. */
export function parseRtp(b: Uint8Array, out: RtpView): boolean {
  const n = b.length;
  if (n < 12) return false;
  const b0 = u8(b, 0);
  if (b0 >> 6 !== 2) return false;
  let off = 12 + 4 * (b0 & 0x0f);
  if (off > n) return false;
  out.extProfile = 0;
  out.extOffset = off;
  out.extLength = 0;
  if (b0 & 0x10) {
    if (off + 4 > n) return false;
    const len = 4 * u16(b, off + 2);
    if (off + 4 + len > n) return false;
    out.extProfile = u16(b, off);
    out.extOffset = off + 4;
    out.extLength = len;
    off += 4 + len;
  }
  let padding = 0;
  if (b0 & 0x20) {
    padding = u8(b, n - 1);
    if (padding === 0 || padding > n - off) return false;
  }
  const b1 = u8(b, 1);
  out.buf = b;
  out.payloadType = b1 & 0x7f;
  out.marker = b1 >= 0x80;
  out.seq = u16(b, 2);
  out.timestamp = u32(b, 4);
  out.ssrc = u32(b, 8);
  out.payloadOffset = off;
  out.payloadEnd = n - padding;
  out.padding = padding;
  return true;
}

/** The payload of a view, sharing the datagram's memory. */
export function payloadOf(v: RtpView): Uint8Array {
  return v.buf.subarray(v.payloadOffset, v.payloadEnd);
}

/** Whose media a packet carries: the first contributing source of a mixer, else the sender itself. */
export function firstSource(v: RtpView): number {
  return u8(v.buf, 0) & 0x0f ? u32(v.buf, 12) : v.ssrc;
}

/** One header extension element to send: id 1..255, at most 255 bytes. */
export type ExtensionElement = { readonly id: number; readonly data: Uint8Array };

/** What `buildRtp` needs. */
export type RtpFields = {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly seq: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly payload: Uint8Array;
  readonly extensions?: readonly ExtensionElement[];
};

/**
 * Serialises a packet. Extensions take the one-byte form (RFC 8285 section 4.2) where every element fits
 * (id 1..14, 1..16 bytes), else the two-byte form (section 4.3).
 */
export function buildRtp(f: RtpFields): Uint8Array {
  const ext = f.extensions ?? [];
  const oneByte = ext.every((e) => e.id <= 14 && e.data.length >= 1 && e.data.length <= 16);
  let extLen = 0;
  for (const e of ext) extLen += (oneByte ? 1 : 2) + e.data.length;
  const padded = (extLen + 3) & ~3;
  const head = 12 + (ext.length > 0 ? 4 + padded : 0);
  const b = new Uint8Array(head + f.payload.length);
  b[0] = 0x80 | (ext.length > 0 ? 0x10 : 0);
  b[1] = (f.marker ? 0x80 : 0) | (f.payloadType & 0x7f);
  putU16(b, 2, f.seq);
  putU32(b, 4, f.timestamp);
  putU32(b, 8, f.ssrc);
  if (ext.length > 0) {
    putU16(b, 12, oneByte ? 0xbede : 0x1000);
    putU16(b, 14, padded / 4);
    let i = 16;
    for (const e of ext) {
      if (oneByte) b[i++] = (e.id << 4) | (e.data.length - 1);
      else {
        b[i++] = e.id;
        b[i++] = e.data.length;
      }
      b.set(e.data, i);
      i += e.data.length;
    }
  }
  b.set(f.payload, head);
  return b;
}
