import { u8, u16 } from "../bytes.ts";
import type { Codec, Depacketizer, JoinedFrame, Packetizer, PayloadChunk, PayloadInfo } from "./codec.ts";
import { sliceEvenly } from "./slice.ts";
import {
  emptyVp8Descriptor,
  parseVp8Descriptor,
  VP8_DESCRIPTOR_LENGTH,
  writeVp8Descriptor,
} from "./vp8-descriptor.ts";

/** Bytes of an uncompressed keyframe header: frame tag, start code, size (RFC 6386 section 9.1). */
const KEYFRAME_HEADER_LENGTH = 10;

/** Size of a VP8 keyframe in pixels; undefined when `frame` is not one. */
export function vp8KeyframeSize(frame: Uint8Array): { width: number; height: number } | undefined {
  if (frame.length < KEYFRAME_HEADER_LENGTH || u8(frame, 0) & 1 || !hasStartCode(frame, 0)) return undefined;
  // Little endian; the two top bits are an upscaling hint.
  const width = (u8(frame, 6) | (u8(frame, 7) << 8)) & 0x3fff;
  const height = (u8(frame, 8) | (u8(frame, 9) << 8)) & 0x3fff;
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** False when a keyframe at `i` lacks the start code 9d 01 2a; bytes past the end of `b` are not judged. */
function hasStartCode(b: Uint8Array, i: number): boolean {
  if (b.length >= i + 6) return u8(b, i + 3) === 0x9d && u16(b, i + 4) === 0x012a;
  return (b.length <= i + 3 || u8(b, i + 3) === 0x9d) && (b.length <= i + 4 || u8(b, i + 4) === 0x01);
}

const known = (v: number): number | undefined => (v < 0 ? undefined : v);

/** Receiving side (RFC 7741). */
class Vp8Depacketizer implements Depacketizer {
  readonly #d = emptyVp8Descriptor();

  inspect(payload: Uint8Array): PayloadInfo | undefined {
    const d = this.#d;
    if (!parseVp8Descriptor(payload, d)) return undefined;
    const keyframe = d.start && (u8(payload, d.length) & 1) === 0;
    if (keyframe && !hasStartCode(payload, d.length)) return undefined;
    return {
      start: d.start,
      end: false,
      keyframe,
      discardable: d.nonReference,
      media: true,
      temporalId: known(d.temporalId),
      tl0PicIdx: known(d.tl0PicIdx),
      layerSync: d.layerSync,
      pictureId: known(d.pictureId),
      pictureIdBits: known(d.pictureIdBits),
    };
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const d = this.#d;
    let size = 0;
    let lead = 0;
    for (let i = 0; i < payloads.length; i++) {
      const p = payloads[i];
      if (p === undefined || !parseVp8Descriptor(p, d) || (i === 0 && !d.start)) return undefined;
      size += p.length - d.length;
      lead = Math.max(lead, d.length);
    }
    if (size === 0) return undefined;
    // From back to front each payload covers the descriptor of the one behind it, so that none needs a view
    // of its own, which costs as much as copying it.
    const room = new Uint8Array(lead + size);
    let n = room.length;
    for (let i = payloads.length - 1; i >= 0; i--) {
      const p = payloads[i];
      if (p === undefined || !parseVp8Descriptor(p, d)) return undefined;
      n -= p.length - d.length;
      room.set(p, n - d.length);
    }
    const data = room.subarray(lead);
    if (u8(data, 0) & 1) return { data, keyframe: false };
    const dimensions = vp8KeyframeSize(data);
    return dimensions && { data, keyframe: true, ...dimensions };
  }
}

/** Sending side: one picture id per frame, start bit on the first packet, marker on the last. */
class Vp8Packetizer implements Packetizer {
  #pictureId = 0;

  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const slices = sliceEvenly(frame, o.maxPayload - VP8_DESCRIPTOR_LENGTH);
    const chunks = slices.map((slice, i) => {
      const payload = new Uint8Array(VP8_DESCRIPTOR_LENGTH + slice.length);
      writeVp8Descriptor(payload, i === 0, this.#pictureId);
      payload.set(slice, VP8_DESCRIPTOR_LENGTH);
      return { payload, marker: i === slices.length - 1 };
    });
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    return chunks;
  }
}

/** VP8 over RTP. */
export const vp8: Codec = {
  name: "vp8",
  kind: "video",
  rtpName: "VP8",
  clockRate: 90_000,
  marker: "end",
  depacketizer: () => new Vp8Depacketizer(),
  packetizer: () => new Vp8Packetizer(),
};
