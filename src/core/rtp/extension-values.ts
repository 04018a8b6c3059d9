import { putU16, putU24, putU32, u8, u16, u24, u32 } from "../bytes.ts";
import type { Rotation } from "../frame.ts";
import type { Ntp } from "../time.ts";

/**
 * Data of single header extension elements. Readers take the element's place in the datagram and answer
 * undefined when its length is not one of the extension's.
 */

const TICKS_PER_MS = 2 ** 18 / 1000;
const Q32 = 2 ** 32;

/** Audio level of RFC 6464: `level` in -dBov, 0 (loudest) to 127 (silence). */
export type AudioLevel = { readonly level: number; readonly voice: boolean };

/** Capture time on the capturing system's clock (abs-capture-time). */
export type CaptureTime = {
  readonly ntp: Ntp;
  /** Milliseconds to add to reach the sender's NTP clock, where the sender knows it. */
  readonly clockOffsetMs?: number;
};

/** 24-bit send time in 6.18 fixed-point seconds, which wraps every 64 s. */
export function readAbsSendTime(b: Uint8Array, offset: number, length: number): number | undefined {
  return length === 3 ? u24(b, offset) : undefined;
}

/** The element for a send time of 24 bits. */
export function writeAbsSendTime(value: number): Uint8Array {
  const b = new Uint8Array(3);
  putU24(b, 0, value);
  return b;
}

/** 16-bit transport-wide sequence number; revision 02 appends a feedback request, which is ignored. */
export function readTransportSeq(b: Uint8Array, offset: number, length: number): number | undefined {
  return length === 2 || length === 4 ? u16(b, offset) : undefined;
}

/** The element for a transport-wide sequence number. */
export function writeTransportSeq(seq: number): Uint8Array {
  const b = new Uint8Array(2);
  putU16(b, 0, seq);
  return b;
}

/** Level as one byte: voice flag in the top bit. The two-byte form may carry a padding byte (RFC 6464 section 3). */
export function readAudioLevel(b: Uint8Array, offset: number, length: number): AudioLevel | undefined {
  if (length !== 1 && length !== 2) return undefined;
  const v = u8(b, offset);
  return { level: v & 0x7f, voice: v >= 0x80 };
}

/** The element for an audio level. */
export function writeAudioLevel(a: AudioLevel): Uint8Array {
  return new Uint8Array([(a.voice ? 0x80 : 0) | (a.level & 0x7f)]);
}

/** Rotation that the receiver applies, clockwise. Camera and flip bits are ignored. */
export function readRotation(b: Uint8Array, offset: number, length: number): Rotation | undefined {
  return length === 1 ? (((u8(b, offset) & 3) * 90) as Rotation) : undefined;
}

/** The element for a rotation. */
export function writeRotation(rotation: Rotation): Uint8Array {
  return new Uint8Array([rotation / 90]);
}

/** Capture time: 64-bit NTP, optionally followed by a signed 32.32 clock offset. */
export function readCaptureTime(b: Uint8Array, offset: number, length: number): CaptureTime | undefined {
  if (length !== 8 && length !== 16) return undefined;
  const ntp = { seconds: u32(b, offset), fraction: u32(b, offset + 4) };
  if (length === 8) return { ntp };
  const clockOffsetMs = ((u32(b, offset + 8) | 0) + u32(b, offset + 12) / Q32) * 1000;
  return { ntp, clockOffsetMs };
}

/** The element for a capture time. */
export function writeCaptureTime(t: CaptureTime): Uint8Array {
  const b = new Uint8Array(t.clockOffsetMs === undefined ? 8 : 16);
  putU32(b, 0, t.ntp.seconds);
  putU32(b, 4, t.ntp.fraction);
  if (t.clockOffsetMs !== undefined) {
    const s = t.clockOffsetMs / 1000;
    const whole = Math.floor(s);
    putU32(b, 8, whole);
    putU32(b, 12, Math.floor((s - whole) * Q32));
  }
  return b;
}

/** Unwraps abs-send-time into milliseconds that run on over the 64 s wrap. */
export class AbsSendTimeUnwrapper {
  #last: number | undefined;
  #ticks = 0;

  /** Milliseconds from an arbitrary origin. Values up to 32 s apart are told from a wrap. */
  unwrap(value: number): number {
    const last = this.#last ?? value;
    this.#last = value;
    this.#ticks += ((value - last) << 8) >> 8;
    return this.#ticks / TICKS_PER_MS;
  }
}
