import { fromBase64 } from "../base64.ts";
import { equalBytes } from "../bytes.ts";
import { NalType, nalType } from "./h264-nal.ts";
import { parsePpsIds, parseSps, type Sps } from "./h264-sps.ts";

/** The sets a slice needs, as NAL units. */
export type ActiveSets = { readonly sps: Uint8Array; readonly pps: Uint8Array; readonly info: Sps };

type Pps = { readonly nal: Uint8Array; readonly spsId: number };

/** Remembers parameter sets by id. Bounded by the id ranges: 32 SPS, 256 PPS. */
export class ParameterSetCache {
  readonly #sps = new Map<number, { readonly nal: Uint8Array; readonly info: Sps }>();
  readonly #pps = new Map<number, Pps>();
  /** The last SPS and PPS seen: most senders repeat them with every IDR. */
  #lastSps: Uint8Array | undefined;
  #lastPps: Uint8Array | undefined;

  /** Learns the sets of `sprop-parameter-sets` (RFC 6184 section 8.1) in an fmtp value. */
  learnFmtp(fmtp: string): void {
    const sets = /(?:^|;)\s*sprop-parameter-sets\s*=\s*([^;\s]*)/i.exec(fmtp)?.[1];
    for (const text of sets?.split(",") ?? []) {
      const nal = fromBase64(text);
      if (nal) this.learn(nal);
    }
  }

  /** Keeps a copy of `nal` when it is a parameter set that parses. */
  learn(nal: Uint8Array): void {
    const type = nalType(nal);
    if (type === NalType.sps) {
      if (this.#lastSps && equalBytes(this.#lastSps, nal)) return;
      const info = parseSps(nal);
      if (!info) return;
      this.#lastSps = nal.slice();
      this.#sps.set(info.id, { nal: this.#lastSps, info });
    } else if (type === NalType.pps) {
      if (this.#lastPps && equalBytes(this.#lastPps, nal)) return;
      const ids = parsePpsIds(nal);
      if (!ids) return;
      this.#lastPps = nal.slice();
      this.#pps.set(ids.id, { nal: this.#lastPps, spsId: ids.spsId });
    }
  }

  /** The sets for a slice with this PPS id; undefined when one is unknown. */
  active(ppsId: number): ActiveSets | undefined {
    const pps = this.#pps.get(ppsId);
    const sps = pps && this.#sps.get(pps.spsId);
    return pps && sps && { sps: sps.nal, pps: pps.nal, info: sps.info };
  }
}
