import { u8, u16, u24, u32 } from "../../bytes.ts";
import { type Fir, type Nack, type Pli, REMB_ID, type Remb } from "./packet.ts";

/** SSRC of packet sender and of media source (RFC 4585 section 6.1). */
const SSRCS = 8;
/** SSRC, command sequence number, 24 reserved bits (RFC 5104 section 4.3.1.1). */
const FIR_ENTRY = 8;

/** Body of a generic NACK: pairs of a number and a bit mask of the 16 that follow it. */
export function parseNack(b: Uint8Array, at: number, end: number): Nack | undefined {
  if (at + SSRCS > end || (end - at) % 4 !== 0) return undefined;
  const seqs: number[] = [];
  for (let i = at + SSRCS; i < end; i += 4) {
    const pid = u16(b, i);
    seqs.push(pid);
    for (let mask = u16(b, i + 2), k = 1; mask !== 0; mask >>= 1, k++) {
      if (mask & 1) seqs.push((pid + k) & 0xffff);
    }
  }
  return { type: "nack", sender: u32(b, at), media: u32(b, at + 4), seqs };
}

/** Body of a PLI: no feedback control information. */
export function parsePli(b: Uint8Array, at: number, end: number): Pli | undefined {
  return at + SSRCS > end ? undefined : { type: "pli", sender: u32(b, at), media: u32(b, at + 4) };
}

/** Body of a FIR. The media SSRC of the header is unused; each entry names its own. */
export function parseFir(b: Uint8Array, at: number, end: number): Fir | undefined {
  if (at + SSRCS > end || (end - at) % FIR_ENTRY !== 0) return undefined;
  const entries: { ssrc: number; seq: number }[] = [];
  for (let i = at + SSRCS; i < end; i += FIR_ENTRY) entries.push({ ssrc: u32(b, i), seq: u8(b, i + 4) });
  return { type: "fir", sender: u32(b, at), entries };
}

/** Body of application-layer feedback: a REMB, "malformed", or undefined when it is something else. */
export function parseRemb(b: Uint8Array, at: number, end: number): Remb | "malformed" | undefined {
  if (at + SSRCS + 4 > end || u32(b, at + SSRCS) !== REMB_ID) return undefined;
  if (at + 16 > end) return "malformed";
  const count = u8(b, at + 12);
  if (at + 16 + 4 * count > end) return "malformed";
  const packed = u24(b, at + 13);
  const ssrcs: number[] = [];
  for (let i = at + 16; i < at + 16 + 4 * count; i += 4) ssrcs.push(u32(b, i));
  return { type: "remb", sender: u32(b, at), bitrate: (packed & 0x3ffff) * 2 ** (packed >>> 18), ssrcs };
}
