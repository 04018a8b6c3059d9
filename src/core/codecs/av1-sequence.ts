import { BitReader } from "./bit-reader.ts";

/** What the program needs of a sequence header (AV1 bitstream specification section 5.5). */
export type Av1Sequence = {
  /** Pixels of the largest frame. */
  readonly width: number;
  readonly height: number;
  readonly profile: number;
  /** Of the first operating point. */
  readonly level: number;
  readonly tier: number;
  readonly highBitDepth: boolean;
  readonly twelveBit: boolean;
  readonly monochrome: boolean;
  readonly subsamplingX: number;
  readonly subsamplingY: number;
  readonly chromaSamplePosition: number;
  /** One still picture: frames have no header bits of their own for their kind. */
  readonly reducedStill: boolean;
};

/** Value of a flag that each frame decides. */
const SELECT = 2;

/** Parses the data of a sequence header OBU; undefined when it is cut short or makes no sense. */
export function parseAv1Sequence(b: Uint8Array, from: number): Av1Sequence | undefined {
  const r = new BitReader(b, from, "plain");
  const profile = r.bits(3);
  r.bit();
  const reducedStill = r.bit() === 1;
  let level = 0;
  let tier = 0;
  if (reducedStill) level = r.bits(5);
  else ({ level, tier } = readOperatingPoints(r));
  const widthBits = r.bits(4) + 1;
  const heightBits = r.bits(4) + 1;
  const width = r.bits(widthBits) + 1;
  const height = r.bits(heightBits) + 1;
  skipTools(r, reducedStill);
  const color = readColor(r, profile);
  if (r.overrun || profile > 2) return undefined;
  return { width, height, profile, level, tier, ...color, reducedStill };
}

function readOperatingPoints(r: BitReader): { level: number; tier: number } {
  let delayBits = 0;
  // Timing: clock, then decoder model.
  if (r.bit()) {
    r.bits(32);
    r.bits(32);
    if (r.bit()) r.ue();
    if (r.bit()) {
      delayBits = r.bits(5) + 1;
      r.bits(32);
      r.bits(10);
    }
  }
  const displayDelay = r.bit() === 1;
  const points = r.bits(5) + 1;
  let first: { level: number; tier: number } | undefined;
  for (let i = 0; i < points; i++) {
    r.bits(12);
    const level = r.bits(5);
    const tier = level > 7 ? r.bit() : 0;
    first ??= { level, tier };
    if (delayBits > 0 && r.bit()) {
      r.bits(delayBits);
      r.bits(delayBits);
      r.bit();
    }
    if (displayDelay && r.bit()) r.bits(4);
  }
  return first ?? { level: 0, tier: 0 };
}

/** What stands between the size and the colours. */
function skipTools(r: BitReader, reducedStill: boolean): void {
  if (!reducedStill && r.bit()) r.bits(7);
  r.bits(3);
  if (!reducedStill) {
    r.bits(4);
    const orderHint = r.bit() === 1;
    if (orderHint) r.bits(2);
    const screenContent = r.bit() ? SELECT : r.bit();
    if (screenContent > 0 && !r.bit()) r.bit();
    if (orderHint) r.bits(3);
  }
  r.bits(3);
}

/** Section 5.5.2. */
function readColor(r: BitReader, profile: number) {
  const highBitDepth = r.bit() === 1;
  const twelveBit = profile === 2 && highBitDepth && r.bit() === 1;
  const monochrome = profile !== 1 && r.bit() === 1;
  const described = r.bit() === 1;
  const [primaries, transfer, matrix] = described ? [r.bits(8), r.bits(8), r.bits(8)] : [2, 2, 2];
  const depth = { highBitDepth, twelveBit, monochrome };
  if (monochrome) {
    r.bit();
    return { ...depth, subsamplingX: 1, subsamplingY: 1, chromaSamplePosition: 0 };
  }
  // BT.709, sRGB, identity: always full range and 4:4:4.
  if (primaries === 1 && transfer === 13 && matrix === 0) {
    return { ...depth, subsamplingX: 0, subsamplingY: 0, chromaSamplePosition: 0 };
  }
  r.bit();
  let subsamplingX = profile === 1 ? 0 : 1;
  let subsamplingY = profile === 0 ? 1 : 0;
  if (twelveBit) {
    subsamplingX = r.bit();
    subsamplingY = subsamplingX ? r.bit() : 0;
  }
  const chromaSamplePosition = subsamplingX && subsamplingY ? r.bits(2) : 0;
  return { ...depth, subsamplingX, subsamplingY, chromaSamplePosition };
}
