import type { Packetizer, PayloadChunk } from "./codec.ts";
import { sliceEvenly } from "./slice.ts";
import { vp9DescriptorLength, writeVp9Descriptor } from "./vp9-descriptor.ts";
import { parseVp9Header } from "./vp9-header.ts";

/**
 * Sending side (RFC 9628): flexible mode without layers, each picture refers to the one before. A superframe is
 * one picture. The size goes with every keyframe.
 */
export class Vp9Packetizer implements Packetizer {
  #pictureId = 0;

  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const header = parseVp9Header(frame, 0);
    const interPicture = header?.keyframe !== true;
    const size = interPicture ? undefined : fitting(header.size);
    const slices = sliceEvenly(frame, o.maxPayload - vp9DescriptorLength({ interPicture, size }));
    const chunks = slices.map((slice, i) => {
      const begins = i === 0;
      const ends = i === slices.length - 1;
      const head = {
        begins,
        ends,
        interPicture,
        pictureId: this.#pictureId,
        size: begins ? size : undefined,
      };
      const length = vp9DescriptorLength(head);
      const payload = new Uint8Array(length + slice.length);
      writeVp9Descriptor(payload, head);
      payload.set(slice, length);
      return { payload, marker: ends };
    });
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    return chunks;
  }
}

/** Sides of 65536 are legal in VP9, but have no place in the descriptor. */
function fitting<T extends { readonly width: number; readonly height: number }>(size: T | undefined) {
  return size && size.width <= 0xffff && size.height <= 0xffff ? size : undefined;
}
