import { leb128Size } from "./leb128.ts";

/** Part of an element, by its number: octets [from, to). */
export type PlannedPiece = { readonly element: number; readonly from: number; readonly to: number };

/** The elements of one packet, at most three: the aggregation header then says how many. */
export type PlannedPacket = {
  readonly pieces: PlannedPiece[];
  /** Octets of the payload. */
  size: number;
};

/** W counts to this. */
const MAX_ELEMENTS = 3;
/** A shorter beginning of an element is not worth a place at the end of a packet. */
const MIN_BEGINNING = 16;

/**
 * Distributes elements of these lengths over the fewest packets of at most `maxPayload` octets, all but the last
 * element of a packet with a length in front. Where that takes no further packet, all get nearly the same size.
 */
export function planAv1Packets(lengths: readonly number[], maxPayload: number): PlannedPacket[] {
  const full = fill(lengths, maxPayload);
  const sum = full.reduce((n, p) => n + p.size, 0);
  const even = fill(lengths, Math.max(MIN_BEGINNING, Math.ceil(sum / full.length)));
  return even.length === full.length ? even : full;
}

function fill(lengths: readonly number[], limit: number): PlannedPacket[] {
  const packets: PlannedPacket[] = [];
  let open: PlannedPacket | undefined;
  for (const [element, length] of lengths.entries()) {
    if (open && !takes(open, length, limit)) open = undefined;
    for (let from = 0; from < length; ) {
      if (!open) {
        open = { pieces: [], size: 1 };
        packets.push(open);
      }
      const used: number = sizeBeforeNext(open);
      const to: number = Math.min(length, from + limit - used);
      open.pieces.push({ element, from, to });
      open.size = used + to - from;
      from = to;
      if (to < length) open = undefined;
    }
  }
  return packets;
}

/** Octets before a further element: what was the last one then gets a length. */
function sizeBeforeNext(p: PlannedPacket): number {
  const last = p.pieces.at(-1);
  return last ? p.size + leb128Size(last.to - last.from) : p.size;
}

/** True when a further element of this length, or enough of it, goes into the packet. */
function takes(p: PlannedPacket, length: number, limit: number): boolean {
  return p.pieces.length < MAX_ELEMENTS && limit - sizeBeforeNext(p) >= Math.min(length, MIN_BEGINNING);
}
