import { u8 } from "../bytes.ts";
import { BitReader } from "./bit-reader.ts";

/** What the program needs of an uncompressed header (VP9 bitstream specification section 6.2). */
export type Vp9Header = {
  /** All is coded anew: decoding can begin here. */
  readonly keyframe: boolean;
  /** Pixels; undefined where the size is that of a reference. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
};

const SYNC_CODE = 0x498342;
const COLOR_RGB = 7;
const REFERENCES = 3;

/** True when a frame can begin with the octet at `i`: the frame marker is there. */
export function beginsVp9Frame(b: Uint8Array, i: number): boolean {
  return (u8(b, i) & 0xc0) === 0x80;
}

/** True when the frame that begins at `i` says it is a keyframe. Looks at its first octet only. */
export function saysVp9Keyframe(b: Uint8Array, i: number): boolean {
  const head = u8(b, i);
  // show_existing_frame and frame_type; profile 3 has a reserved bit before them.
  return (head & ((head & 0x30) === 0x30 ? 0x06 : 0x0c)) === 0;
}

/** Parses the header of the frame that begins at `from`; undefined when it is cut short or makes no sense. */
export function parseVp9Header(b: Uint8Array, from: number): Vp9Header | undefined {
  if (!beginsVp9Frame(b, from)) return undefined;
  const r = new BitReader(b, from, "plain");
  r.bits(2);
  const profile = r.bit() | (r.bit() << 1);
  if (profile === 3) r.bit();
  const showExisting = r.bit() === 1;
  if (showExisting) return { keyframe: false, size: undefined };
  const keyframe = r.bit() === 0;
  const shown = r.bit() === 1;
  const resilient = r.bit() === 1;
  let size: Vp9Header["size"];
  if (keyframe) {
    if (r.bits(24) !== SYNC_CODE) return undefined;
    skipColor(r, profile);
    size = frameSize(r);
  } else {
    const intraOnly = !shown && r.bit() === 1;
    if (!resilient) r.bits(2);
    if (intraOnly) {
      if (r.bits(24) !== SYNC_CODE) return undefined;
      if (profile > 0) skipColor(r, profile);
      r.bits(8);
      size = frameSize(r);
    } else {
      // Frames to refresh; index and sign bias of each reference; whether its size is taken.
      r.bits(8 + 4 * REFERENCES);
      let taken = 0;
      for (let i = 0; i < REFERENCES && taken === 0; i++) taken = r.bit();
      size = taken === 0 ? frameSize(r) : undefined;
    }
  }
  if (r.overrun) return keyframe ? undefined : { keyframe, size: undefined };
  return { keyframe, size };
}

/** Section 6.2.2. */
function skipColor(r: BitReader, profile: number): void {
  if (profile >= 2) r.bit();
  const rgb = r.bits(3) === COLOR_RGB;
  if (!rgb) r.bit();
  if (profile & 1) r.bits(rgb ? 1 : 3);
}

/** Section 6.2.3. */
function frameSize(r: BitReader): { width: number; height: number } {
  return { width: r.bits(16) + 1, height: r.bits(16) + 1 };
}
