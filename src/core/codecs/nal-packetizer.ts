import { concat, equalBytes, putU16 } from "../bytes.ts";
import { splitAnnexB } from "./annex-b.ts";
import type { Packetizer, PayloadChunk } from "./codec.ts";
import type { NalSyntax } from "./nal-syntax.ts";
import { sliceEvenly } from "./slice.ts";

/** How NAL units are put into packets. */
export type NalPacketFormat = {
  readonly syntax: NalSyntax;
  /** Header of the packet that carries these NAL units together; absent: each goes alone. */
  readonly aggregate?: (nals: readonly Uint8Array[]) => Uint8Array;
  /** Header of the packets that carry this NAL unit in parts; its last octet takes the bits S and E. */
  readonly fragment: (nal: Uint8Array) => Uint8Array;
};

const FRAGMENT_START = 0x80;
const FRAGMENT_END = 0x40;

/**
 * Sending side of H.264 and H.265. Parameter sets go first, together, and are repeated before a random access
 * point that comes without; large NAL units go in parts.
 */
export class NalPacketizer implements Packetizer {
  readonly #format: NalPacketFormat;
  /** The sets of the last access unit that brought what the others refer to. */
  #sets: readonly Uint8Array[] = [];

  constructor(format: NalPacketFormat) {
    this.#format = format;
  }

  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const { syntax } = this.#format;
    const sets: Uint8Array[] = [];
    const rest: Uint8Array[] = [];
    let key = false;
    for (const nal of splitAnnexB(frame)) {
      const role = syntax.role(nal, 0);
      if (role === "set") {
        if (!sets.some((s) => equalBytes(s, nal))) sets.push(nal);
      } else if (role !== "drop") rest.push(nal);
      if (role === "key") key = true;
    }
    if (sets.some((s) => syntax.parseSet(s)?.width !== undefined)) this.#sets = sets.map((s) => s.slice());
    const payloads: Uint8Array[] = [];
    this.#addTogether(payloads, sets.length === 0 && key ? this.#sets : sets, o.maxPayload);
    for (const nal of rest) this.#add(payloads, nal, o.maxPayload);
    return payloads.map((payload, i) => ({ payload, marker: i === payloads.length - 1 }));
  }

  #addTogether(out: Uint8Array[], nals: readonly Uint8Array[], maxPayload: number): void {
    const header = nals.length > 1 ? this.#format.aggregate?.(nals) : undefined;
    const size = nals.reduce((n, nal) => n + 2 + nal.length, header?.length ?? 0);
    if (!header || size > maxPayload) {
      for (const nal of nals) this.#add(out, nal, maxPayload);
      return;
    }
    const payload = new Uint8Array(size);
    payload.set(header);
    let n = header.length;
    for (const nal of nals) {
      putU16(payload, n, nal.length);
      payload.set(nal, n + 2);
      n += 2 + nal.length;
    }
    out.push(payload);
  }

  #add(out: Uint8Array[], nal: Uint8Array, maxPayload: number): void {
    if (nal.length <= maxPayload) {
      out.push(nal);
      return;
    }
    const header = this.#format.fragment(nal);
    const flags = header.length - 1;
    // One slice would be a NAL unit that fits, so there are at least two: S and E never meet.
    const slices = sliceEvenly(nal.subarray(this.#format.syntax.headerLength), maxPayload - header.length);
    for (const [i, slice] of slices.entries()) {
      const payload = concat([header, slice]);
      if (i === 0) payload[flags] = (payload[flags] ?? 0) | FRAGMENT_START;
      if (i === slices.length - 1) payload[flags] = (payload[flags] ?? 0) | FRAGMENT_END;
      out.push(payload);
    }
  }
}
