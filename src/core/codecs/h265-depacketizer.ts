import { u8 } from "../bytes.ts";
import { fmtpValue } from "../fmtp.ts";
import { AccessUnit } from "./access-unit.ts";
import type { Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";
import { H265_HEADER, H265NalType, h265LayerId, h265NalType, isH265Vcl, isIrap } from "./h265-nal.ts";
import { h265Syntax } from "./h265-syntax.ts";
import { addNalBits, forEachAggregated, NalBit, nalInfo } from "./nal-payload.ts";
import { ParameterSetCache } from "./parameter-set-cache.ts";
import { spropNals } from "./sprop.ts";

/** Octets of the payload header and the FU header. */
const FU_LENGTH = 3;
const FU_START = 0x80;
const FU_END = 0x40;

/**
 * Receiving side (RFC 7798): single NAL unit packets, aggregation packets, fragmentation units. Access units come
 * out as Annex B without delimiters, filler and upper layers; a random access picture always has its parameter
 * sets in front. Decoding order numbers are read over: NAL units are taken in the order they were sent.
 */
export class H265Depacketizer implements Depacketizer {
  readonly #sets = new ParameterSetCache(h265Syntax);
  /** Octets of a decoding order number: there only where the sender declared to use them (section 7.1). */
  readonly #donl: 0 | 2;
  readonly #aggregation: { first: number; between: number; headerLength: number };

  /** `fmtp` may bring parameter sets (section 7.1). */
  constructor(fmtp = "") {
    for (const nal of spropNals(fmtp, ["sprop-vps", "sprop-sps", "sprop-pps"])) this.#sets.learn(nal);
    this.#donl = Number(fmtpValue(fmtp, "sprop-max-don-diff")) > 0 ? 2 : 0;
    // Section 4.4.2: a DONL before the first NAL unit, one octet of difference before each further one.
    this.#aggregation = {
      first: H265_HEADER + this.#donl,
      between: this.#donl / 2,
      headerLength: H265_HEADER,
    };
  }

  inspect(p: Uint8Array): PayloadInfo | undefined {
    if (p.length < H265_HEADER) return undefined;
    const type = h265NalType(p);
    if (type === H265NalType.aggregation) return this.#inspectAggregation(p);
    if (type === H265NalType.fragmentation) return this.#inspectFragment(p);
    if (type === H265NalType.paci || p.length < H265_HEADER + this.#donl) return undefined;
    return nalInfo(nalBits(p, 0, type, u8(p, H265_HEADER + this.#donl)));
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const unit = new AccessUnit(h265Syntax, this.#sets);
    for (const p of payloads) {
      const type = h265NalType(p);
      if (type === H265NalType.aggregation) {
        forEachAggregated(p, this.#aggregation, (from, to) => unit.nal(p, from, to));
      } else if (type === H265NalType.fragmentation) this.#addFragment(unit, p);
      else if (this.#donl === 0) unit.nal(p, 0, p.length);
      else {
        unit.begin(p.subarray(0, H265_HEADER), p, H265_HEADER + this.#donl);
        unit.end();
      }
    }
    return unit.finish();
  }

  #inspectAggregation(p: Uint8Array): PayloadInfo | undefined {
    let bits = 0;
    let count = 0;
    forEachAggregated(p, this.#aggregation, (from) => {
      bits = addNalBits(bits, nalBits(p, from, h265NalType(p, from), u8(p, from + H265_HEADER)));
      count++;
    });
    return count === 0 ? undefined : nalInfo(bits);
  }

  #inspectFragment(p: Uint8Array): PayloadInfo | undefined {
    const header = u8(p, H265_HEADER);
    const type = header & 0x3f;
    const start = (header & FU_START) !== 0;
    // Section 4.4.3: never both; packets are not fragmented. An empty last fragment is taken as in H.264.
    if ((start && header & FU_END) || type >= H265NalType.aggregation) return undefined;
    const data = FU_LENGTH + (start ? this.#donl : 0);
    if (p.length < data + (start ? 1 : 0)) return undefined;
    const bits = nalBits(p, 0, type, u8(p, data));
    return nalInfo(start ? bits : bits & ~NalBit.start);
  }

  #addFragment(unit: AccessUnit, p: Uint8Array): void {
    const header = u8(p, H265_HEADER);
    if (header & FU_START) {
      const nal = Uint8Array.of((u8(p, 0) & 0x81) | ((header & 0x3f) << 1), u8(p, 1));
      unit.begin(nal, p, FU_LENGTH + this.#donl);
    } else unit.more(p, FU_LENGTH);
    if (header & FU_END) unit.end();
  }
}

/** What a NAL unit of `type` means; its layer stands in the header at byte `i`, `third` is the byte after it. */
function nalBits(p: Uint8Array, i: number, type: number, third: number): number {
  if (h265LayerId(p, i) > 0) return 0;
  if (!isH265Vcl(type)) {
    return type === H265NalType.vps || type === H265NalType.delimiter ? NalBit.start : 0;
  }
  // Table 7-1: below the random access pictures, even types are pictures that their own layer does not refer to.
  const reference = type >= H265NalType.firstIrap || (type & 1) === 1;
  return (
    NalBit.media |
    (third & 0x80 ? NalBit.start : 0) |
    (isIrap(type) ? NalBit.keyframe : 0) |
    (reference ? NalBit.reference : 0)
  );
}
