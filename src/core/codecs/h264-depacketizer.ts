import { concat, equalBytes, u8, u16 } from "../bytes.ts";
import type { Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";
import { isVcl, NalType, nalType, START_CODE, trimmedEnd } from "./h264-nal.ts";
import { ParameterSetCache } from "./h264-parameter-sets.ts";
import { slicePpsId } from "./h264-sps.ts";

const START = 1;
const KEYFRAME = 2;
const MEDIA = 4;
/** Some picture data inside is referred to. */
const REFERENCE = 8;

/** One shared description per combination of the four bits above. */
const INFOS: readonly PayloadInfo[] = Array.from({ length: 16 }, (_, bits) => ({
  start: (bits & START) !== 0,
  end: false,
  keyframe: (bits & KEYFRAME) !== 0,
  discardable: (bits & (MEDIA | REFERENCE)) === MEDIA,
  media: (bits & MEDIA) !== 0,
}));

/**
 * Receiving side (RFC 6184, packetization modes 0 and 1): single NAL unit packets, STAP-A, FU-A. Access units
 * come out as Annex B without access unit delimiters and filler; an IDR picture always has its parameter
 * sets in front.
 */
export class H264Depacketizer implements Depacketizer {
  readonly #sets = new ParameterSetCache();

  /** `fmtp` may bring parameter sets (sprop-parameter-sets). */
  constructor(fmtp?: string) {
    if (fmtp !== undefined) this.#sets.learnFmtp(fmtp);
  }

  inspect(p: Uint8Array): PayloadInfo | undefined {
    const type = nalType(p);
    if (type === NalType.stapA) return inspectStapA(p);
    if (type === NalType.fuA) return inspectFuA(p);
    if (p.length === 0 || (type > 23 && type < 30)) return undefined;
    return INFOS[nalBits(u8(p, 0), u8(p, 1))];
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const unit = new AccessUnit(this.#sets);
    for (const p of payloads) {
      const type = nalType(p);
      if (type === NalType.fuA) unit.fragment(p);
      else if (type === NalType.stapA) {
        forEachOfStapA(p, (from, to) => unit.nal(p, from, to));
      } else if (type < NalType.stapA) unit.nal(p, 0, p.length);
    }
    return unit.finish();
  }
}

/** What a NAL unit means, by its header and its second byte. */
function nalBits(header: number, second: number): number {
  const type = header & 0x1f;
  if (isVcl(type)) {
    // first_mb_in_slice 0 is one set bit. Partitions B and C carry a slice id there.
    const first = type !== 3 && type !== NalType.partitionC && second >= 0x80;
    const reference = (header & 0x60) !== 0;
    return MEDIA | (first ? START : 0) | (type === NalType.idr ? KEYFRAME : 0) | (reference ? REFERENCE : 0);
  }
  return type === NalType.sps || type === NalType.delimiter ? START : 0;
}

function inspectStapA(p: Uint8Array): PayloadInfo | undefined {
  let bits = 0;
  let count = 0;
  forEachOfStapA(p, (from) => {
    const b = nalBits(u8(p, from), u8(p, from + 1));
    bits |= count++ === 0 ? b : b & ~START;
  });
  return count === 0 ? undefined : INFOS[bits];
}

/** Visits the NAL units of a STAP-A (section 5.7.1) up to the first one that is empty or cut short. */
function forEachOfStapA(p: Uint8Array, visit: (from: number, to: number) => void): void {
  let i = 1;
  while (i + 2 < p.length) {
    const from = i + 2;
    const to = from + u16(p, i);
    if (to === from || to > p.length) return;
    if (nalType(p, from) < NalType.stapA) visit(from, to);
    i = to;
  }
}

function inspectFuA(p: Uint8Array): PayloadInfo | undefined {
  const header = u8(p, 1);
  const type = header & 0x1f;
  // A start that is also an end is forbidden (section 5.8); aggregates are never fragmented. Some senders
  // end an exact multiple of their fragment size with an empty fragment.
  const shortest = header & 0x80 ? 3 : 2;
  if (p.length < shortest || (header & 0xc0) === 0xc0 || type === 0 || type > 23) return undefined;
  const bits = nalBits((u8(p, 0) & 0xe0) | type, u8(p, 2));
  return INFOS[header & 0x80 ? bits : bits & ~START];
}

/** Collects the NAL units of one access unit. */
class AccessUnit {
  readonly #sets: ParameterSetCache;
  readonly #parts: Uint8Array[] = [];
  readonly #inBand: Uint8Array[] = [];
  /** Index in `#parts` where the open fragmented NAL unit begins; -1: none is open. */
  #open = -1;
  #openType = 0;
  #pictures = 0;
  #idr = false;
  #ppsId: number | undefined;

  constructor(sets: ParameterSetCache) {
    this.#sets = sets;
  }

  /** Adds the whole NAL unit p[from, to). */
  nal(p: Uint8Array, from: number, to: number): void {
    this.#dropOpen();
    const end = trimmedEnd(p, from, to);
    const type = nalType(p, from);
    if (end === from || type === 0 || type === NalType.delimiter || type === NalType.filler) return;
    const nal = p.subarray(from, end);
    this.#parts.push(START_CODE, nal);
    this.#note(type, nal);
  }

  /** Adds a fragment (FU-A). Fragments count only from a start to an end. */
  fragment(p: Uint8Array): void {
    const header = u8(p, 1);
    if (header & 0x80) {
      this.#dropOpen();
      this.#open = this.#parts.length;
      this.#openType = header & 0x1f;
      this.#parts.push(START_CODE, Uint8Array.of((u8(p, 0) & 0xe0) | this.#openType), p.subarray(2));
      return;
    }
    if (this.#open < 0) return;
    const last = (header & 0x40) !== 0;
    this.#parts.push(p.subarray(2, last ? trimmedEnd(p, 2, p.length) : p.length));
    if (!last) return;
    const begin = this.#open + 1;
    this.#open = -1;
    const type = this.#openType;
    if (type === NalType.delimiter || type === NalType.filler) this.#parts.length = begin - 1;
    // The first fragment is enough for a slice header; a parameter set is needed whole.
    else this.#note(type, concat(this.#parts.slice(begin, isVcl(type) ? begin + 2 : undefined)));
  }

  /** The frame; undefined without picture data, or for an IDR picture whose parameter sets are unknown. */
  finish(): JoinedFrame | undefined {
    this.#dropOpen();
    if (this.#pictures === 0) return undefined;
    if (!this.#idr) return { data: concat(this.#parts), keyframe: false };
    const active = this.#ppsId === undefined ? undefined : this.#sets.active(this.#ppsId);
    if (!active) return undefined;
    const { sps, pps, info } = active;
    const complete = this.#has(sps) && this.#has(pps);
    const parts = complete ? this.#parts : [START_CODE, sps, START_CODE, pps, ...this.#parts];
    return { data: concat(parts), keyframe: true, width: info.width, height: info.height };
  }

  #has(nal: Uint8Array): boolean {
    return this.#inBand.some((n) => equalBytes(n, nal));
  }

  #note(type: number, nal: Uint8Array): void {
    if (type === NalType.sps || type === NalType.pps) {
      this.#sets.learn(nal);
      this.#inBand.push(nal);
    } else if (isVcl(type)) {
      this.#pictures++;
      if (type === NalType.idr && !this.#idr) {
        this.#idr = true;
        this.#ppsId = slicePpsId(nal);
      }
    }
  }

  #dropOpen(): void {
    if (this.#open >= 0) this.#parts.length = this.#open;
    this.#open = -1;
  }
}
