import { u8 } from "../bytes.ts";
import { Av1Elements } from "./av1-elements.ts";
import { ObuType, obuHeaderLength, obuType, parseObu } from "./av1-obu.ts";
import { isShownKeyframe, type KnownSequence, TemporalUnit } from "./av1-temporal-unit.ts";
import type { Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";

/**
 * Receiving side (AOM RTP payload format for AV1). Temporal units come out in low-overhead format: every OBU with
 * its size, without delimiters, tile lists and padding; a keyframe always has the sequence header in front.
 */
export class Av1Depacketizer implements Depacketizer {
  readonly #elements = new Av1Elements();
  #sequence: KnownSequence | undefined;

  inspect(payload: Uint8Array): PayloadInfo | undefined {
    const e = this.#elements;
    if (!e.open(payload)) return undefined;
    let start = false;
    let keyframe = e.newSequence;
    // What goes on from the packet before is a frame in all likelihood.
    let media = e.continues;
    let temporalId: number | undefined;
    while (e.next()) {
      if ((e.first && e.continues) || e.to === e.from) continue;
      const type = obuType(payload, e.from);
      let spatialId = 0;
      if (obuHeaderLength(payload, e.from) === 2) {
        const layers = u8(payload, e.from + 1);
        temporalId ??= layers >> 5;
        spatialId = (layers >> 3) & 3;
      }
      // A tile group and an upper spatial layer continue a picture.
      if (e.first) start = type <= ObuType.frame && type !== ObuType.tileGroup && spatialId === 0;
      if (type === ObuType.frame || type === ObuType.frameHeader) {
        media = true;
        keyframe ||= beginsKeyframe(payload, e.from, e.to);
      } else if (type === ObuType.tileGroup) media = true;
    }
    if (e.malformed) return undefined;
    return { start, end: false, keyframe, discardable: false, media, temporalId };
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const e = this.#elements;
    const unit = new TemporalUnit(this.#sequence);
    let pieces: Uint8Array[] = [];
    let unfinished = false;
    for (const p of payloads) {
      if (!e.open(p) || e.continues !== unfinished) return undefined;
      unfinished = e.unfinished;
      while (e.next()) {
        pieces.push(p.subarray(e.from, e.to));
        if (e.last && unfinished) break;
        if (!unit.add(pieces)) return undefined;
        pieces = [];
      }
      if (e.malformed) return undefined;
    }
    if (unfinished) return undefined;
    this.#sequence = unit.sequence;
    return unit.finish();
  }
}

/** True when the frame OBU at `from`, of which the octets up to `to` are at hand, begins a keyframe. */
function beginsKeyframe(p: Uint8Array, from: number, to: number): boolean {
  const obu = parseObu(p, from, Number.MAX_SAFE_INTEGER);
  return obu !== undefined && obu.data < to && isShownKeyframe(u8(p, obu.data));
}
