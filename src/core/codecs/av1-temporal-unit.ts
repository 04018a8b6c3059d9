import { concat, equalBytes, u8 } from "../bytes.ts";
import { isDroppedObu, ObuType, parseObu, sizedObuHeader } from "./av1-obu.ts";
import { type Av1Sequence, parseAv1Sequence } from "./av1-sequence.ts";
import type { JoinedFrame } from "./codec.ts";

/** A sequence header OBU with its size, and what it says. */
export type KnownSequence = { readonly obu: Uint8Array; readonly info: Av1Sequence };

/** Octets that surely hold the header of an OBU, its size and the kind of its frame. */
const HEAD = 12;

/** show_existing_frame 0, frame_type KEY_FRAME, show_frame 1 (AV1 bitstream specification section 5.9.2). */
export function isShownKeyframe(frameHeader: number): boolean {
  return (frameHeader & 0xf0) === 0x10;
}

/**
 * Collects the OBUs of one temporal unit from packets and makes a unit in low-overhead format of them, with the
 * sequence header in front of a keyframe.
 */
export class TemporalUnit {
  readonly #parts: Uint8Array[] = [];
  /** The newest sequence header, of this unit or from before. */
  #sequence: KnownSequence | undefined;
  /** One that decoders may begin with stands before the first frame. */
  #inBand = false;
  #pictured = false;
  #key = false;

  constructor(sequence: KnownSequence | undefined) {
    this.#sequence = sequence;
  }

  /** What the next unit should know. */
  get sequence(): KnownSequence | undefined {
    return this.#sequence;
  }

  /** Adds an OBU that came in these pieces. False: the unit is damaged. */
  add(pieces: readonly Uint8Array[]): boolean {
    let [first, ...rest] = pieces;
    if (first && first.length < HEAD && rest.length > 0) {
      first = concat(pieces);
      rest = [];
    }
    if (!first || first.length === 0) return true;
    let length = first.length;
    for (const piece of rest) length += piece.length;
    const obu = parseObu(first, 0, length);
    if (obu?.end !== length) return false;
    const { type, data: start } = obu;
    if (isDroppedObu(type)) return true;
    const header = sizedObuHeader(first, 0, length - start);
    if (type === ObuType.sequenceHeader) this.#learn(concat([header, first.subarray(start), ...rest]));
    else if (type === ObuType.frame || type === ObuType.frameHeader) {
      if (!this.#pictured) {
        this.#key = this.#sequence?.info.reducedStill === true || isShownKeyframe(u8(first, start));
      }
      this.#pictured = true;
    } else if (type === ObuType.tileGroup && !this.#pictured) return false;
    this.#parts.push(header, first.subarray(start), ...rest);
    return true;
  }

  /** The frame; undefined without picture data, or for a keyframe whose sequence header nobody knows. */
  finish(): JoinedFrame | undefined {
    if (!this.#pictured) return undefined;
    if (!this.#key) return { data: concat(this.#parts), keyframe: false };
    const sequence = this.#sequence;
    if (!sequence) return undefined;
    const { width, height } = sequence.info;
    return {
      data: concat(this.#inBand ? this.#parts : [sequence.obu, ...this.#parts]),
      keyframe: true,
      width,
      height,
    };
  }

  #learn(obu: Uint8Array): void {
    const same = this.#sequence !== undefined && equalBytes(this.#sequence.obu, obu);
    const parsed = same ? undefined : parseObu(obu, 0, obu.length);
    const info = parsed && parseAv1Sequence(obu.subarray(0, parsed.end), parsed.data);
    if (info) this.#sequence = { obu, info };
    if ((info || same) && !this.#pictured) this.#inBand = true;
  }
}
