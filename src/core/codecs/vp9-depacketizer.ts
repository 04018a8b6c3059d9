import { u16 } from "../bytes.ts";
import type { Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";
import { emptyVp9Descriptor, parseVp9Descriptor, type Vp9Descriptor } from "./vp9-descriptor.ts";
import { beginsVp9Frame, parseVp9Header, saysVp9Keyframe } from "./vp9-header.ts";
import {
  hasSuperframeIndex,
  MAX_SUPERFRAME,
  superframeIndexLength,
  writeSuperframeIndex,
} from "./vp9-superframe.ts";

const known = (v: number): number | undefined => (v < 0 ? undefined : v);

/** The base layer of a stream with layers, or a stream without. */
const isBase = (d: Vp9Descriptor): boolean => d.spatialId <= 0;

/**
 * Receiving side (RFC 9628), flexible and non-flexible mode. The layer frames of a picture come out together, as
 * a superframe with an index: without that, decoders that do not know of layers show the first one only.
 */
export class Vp9Depacketizer implements Depacketizer {
  readonly #d = emptyVp9Descriptor();

  inspect(payload: Uint8Array): PayloadInfo | undefined {
    const d = this.#d;
    if (!parseVp9Descriptor(payload, d)) return undefined;
    if (d.begins && !beginsVp9Frame(payload, d.length)) return undefined;
    return {
      // An upper layer alone makes a picture where a server forwards no other between keyframes.
      start: d.begins && (isBase(d) || !d.interLayer),
      // Of a picture with layers only the marker tells the end.
      end: d.ends && d.spatialId < 0,
      keyframe: d.begins && isBase(d) && !d.interPicture && saysVp9Keyframe(payload, d.length),
      discardable: false,
      media: true,
      temporalId: known(d.temporalId),
      tl0PicIdx: known(d.tl0PicIdx),
      switchUp: d.switchUp,
      pictureId: known(d.pictureId),
      pictureIdBits: known(d.pictureIdBits),
    };
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const d = this.#d;
    /** Descriptor lengths, and the octets of every layer frame. */
    const heads: number[] = [];
    const sizes: number[] = [];
    let total = 0;
    let lead = 0;
    let refers = false;
    let topLayer = 0;
    let structure: { readonly payload: Uint8Array; readonly at: number; readonly count: number } | undefined;
    for (const p of payloads) {
      if (!parseVp9Descriptor(p, d)) return undefined;
      const n = p.length - d.length;
      if (d.begins) {
        if (heads.length === 0) refers = d.interPicture || !isBase(d);
        sizes.push(n);
        topLayer = Math.max(0, d.spatialId);
      } else if (heads.length === 0) return undefined;
      else sizes[sizes.length - 1] = (sizes.at(-1) ?? 0) + n;
      if (d.sizesAt >= 0) structure = { payload: p, at: d.sizesAt, count: d.sizes };
      heads.push(d.length);
      total += n;
      lead = Math.max(lead, d.length);
    }
    if (sizes.length === 0 || sizes.length > MAX_SUPERFRAME) return undefined;
    const data = joinedBehind(payloads, heads, lead, total, sizes);
    if (refers || !saysVp9Keyframe(data, 0)) return { data, keyframe: false };
    const base = parseVp9Header(data, 0)?.size;
    if (!base) return undefined;
    if (topLayer === 0) return { data, keyframe: true, ...base };
    const top = parseVp9Header(data, total - (sizes.at(-1) ?? 0))?.size;
    return { data, keyframe: true, ...(top ?? layerSize(structure, topLayer) ?? base) };
  }
}

/** Joins the data behind the descriptors; several layer frames get an index unless they have one. */
function joinedBehind(
  payloads: readonly Uint8Array[],
  heads: readonly number[],
  lead: number,
  total: number,
  sizes: readonly number[],
): Uint8Array {
  const tail = sizes.length > 1 ? superframeIndexLength(sizes) : 0;
  const room = new Uint8Array(lead + total + tail);
  // From back to front each payload covers the descriptor of the one behind it, as with VP8.
  let n = lead + total;
  for (let i = payloads.length - 1; i >= 0; i--) {
    const p = payloads[i];
    const head = heads[i];
    if (p === undefined || head === undefined) continue;
    n -= p.length - head;
    room.set(p, n - head);
  }
  const data = room.subarray(lead, lead + total);
  if (tail === 0 || hasSuperframeIndex(data)) return data;
  writeSuperframeIndex(room, lead + total, sizes);
  return room.subarray(lead);
}

/** The size of a spatial layer as the scalability structure declares it. */
function layerSize(
  s: { readonly payload: Uint8Array; readonly at: number; readonly count: number } | undefined,
  layer: number,
): { width: number; height: number } | undefined {
  if (!s || layer >= s.count) return undefined;
  const width = u16(s.payload, s.at + 4 * layer);
  const height = u16(s.payload, s.at + 4 * layer + 2);
  return width > 0 && height > 0 ? { width, height } : undefined;
}
