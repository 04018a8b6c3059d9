import { u8 } from "../bytes.ts";
import { AccessUnit } from "./access-unit.ts";
import type { Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";
import { isVcl, NalType, nalType } from "./h264-nal.ts";
import { h264Syntax } from "./h264-syntax.ts";
import { addNalBits, forEachAggregated, NalBit, nalInfo } from "./nal-payload.ts";
import { ParameterSetCache } from "./parameter-set-cache.ts";
import { spropNals } from "./sprop.ts";

/** Layout of a STAP-A (RFC 6184 section 5.7.1). */
const STAP_A = { first: 1, between: 0, headerLength: 1 } as const;
const FU_START = 0x80;
const FU_END = 0x40;

/**
 * Receiving side (RFC 6184, packetization modes 0 and 1): single NAL unit packets, STAP-A, FU-A. Access units
 * come out as Annex B without access unit delimiters and filler; an IDR picture always has its parameter
 * sets in front.
 */
export class H264Depacketizer implements Depacketizer {
  readonly #sets = new ParameterSetCache(h264Syntax);

  /** `fmtp` may bring parameter sets (section 8.1). */
  constructor(fmtp?: string) {
    for (const nal of spropNals(fmtp ?? "", ["sprop-parameter-sets"])) this.#sets.learn(nal);
  }

  inspect(p: Uint8Array): PayloadInfo | undefined {
    const type = nalType(p);
    if (type === NalType.stapA) return inspectStapA(p);
    if (type === NalType.fuA) return inspectFuA(p);
    if (p.length === 0 || (type > 23 && type < 30)) return undefined;
    return nalInfo(nalBits(u8(p, 0), u8(p, 1)));
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const unit = new AccessUnit(h264Syntax, this.#sets);
    for (const p of payloads) {
      const type = nalType(p);
      if (type === NalType.fuA) addFragment(unit, p);
      else if (type === NalType.stapA) forEachAggregated(p, STAP_A, (from, to) => unit.nal(p, from, to));
      else unit.nal(p, 0, p.length);
    }
    return unit.finish();
  }
}

function addFragment(unit: AccessUnit, p: Uint8Array): void {
  const header = u8(p, 1);
  if (header & FU_START) unit.begin(Uint8Array.of((u8(p, 0) & 0xe0) | (header & 0x1f)), p, 2);
  else unit.more(p, 2);
  if (header & FU_END) unit.end();
}

/** What a NAL unit means, by its header and its second byte. */
function nalBits(header: number, second: number): number {
  const type = header & 0x1f;
  if (isVcl(type)) {
    // first_mb_in_slice 0 is one set bit. Partitions B and C carry a slice id there.
    const first = type !== 3 && type !== NalType.partitionC && second >= 0x80;
    return (
      NalBit.media |
      (first ? NalBit.start : 0) |
      (type === NalType.idr ? NalBit.keyframe : 0) |
      (header & 0x60 ? NalBit.reference : 0)
    );
  }
  return type === NalType.sps || type === NalType.delimiter ? NalBit.start : 0;
}

function inspectStapA(p: Uint8Array): PayloadInfo | undefined {
  let bits = 0;
  let count = 0;
  forEachAggregated(p, STAP_A, (from) => {
    bits = addNalBits(bits, nalBits(u8(p, from), u8(p, from + 1)));
    count++;
  });
  return count === 0 ? undefined : nalInfo(bits);
}

function inspectFuA(p: Uint8Array): PayloadInfo | undefined {
  const header = u8(p, 1);
  const type = header & 0x1f;
  // A start that is also an end is forbidden (section 5.8); aggregates are never fragmented. Some senders
  // end an exact multiple of their fragment size with an empty fragment.
  const shortest = header & FU_START ? 3 : 2;
  const both = (header & (FU_START | FU_END)) === (FU_START | FU_END);
  if (p.length < shortest || both || type === 0 || type > 23) return undefined;
  const bits = nalBits((u8(p, 0) & 0xe0) | type, u8(p, 2));
  return nalInfo(header & FU_START ? bits : bits & ~NalBit.start);
}
