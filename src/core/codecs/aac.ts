import { BitReader } from "./bit-reader.ts";

/** Hz by frequency index (ISO/IEC 14496-3 table 1.18). */
const RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
/** Channels by channel configuration (table 1.19); 0: told elsewhere. */
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8];
const EXPLICIT_RATE = 15;
const ESCAPE = 31;
const SBR = 5;
const PS = 29;

/** What an AudioSpecificConfig says (ISO/IEC 14496-3 section 1.6.2.1). */
export type AacConfig = {
  /** Audio object type as it is signalled: 2 AAC-LC, 5 with SBR, 29 with SBR and PS. */
  readonly objectType: number;
  /** That of the core coder, without extensions. */
  readonly coreType: number;
  /** Hz, of the core coder; and the index that stands for it. */
  readonly sampleRate: number;
  readonly frequencyIndex: number;
  /** Of the core coder, 1..8; and the channel configuration that stands for them, 1..7. */
  readonly channels: number;
  readonly channelConfig: number;
};

/**
 * Reads an AudioSpecificConfig. undefined: it is cut short, or has a sampling rate that has no index or channels that
 * have no number, which no encoder of ours makes and which ADTS cannot say.
 */
export function parseAudioSpecificConfig(b: Uint8Array): AacConfig | undefined {
  const r = new BitReader(b, 0, "plain");
  const objectType = readObjectType(r);
  const sampleRate = readRate(r);
  const channelConfig = r.bits(4);
  let coreType = objectType;
  if (objectType === SBR || objectType === PS) {
    // The rate of what is heard; the core's stood first.
    readRate(r);
    coreType = readObjectType(r);
  }
  const frequencyIndex = RATES.indexOf(sampleRate);
  const channels = CHANNELS[channelConfig] ?? 0;
  if (r.overrun || objectType === 0 || coreType === 0 || frequencyIndex < 0 || channels === 0)
    return undefined;
  return { objectType, coreType, sampleRate, frequencyIndex, channels, channelConfig };
}

function readObjectType(r: BitReader): number {
  const type = r.bits(5);
  return type === ESCAPE ? 32 + r.bits(6) : type;
}

/** Hz; 0: reserved. */
function readRate(r: BitReader): number {
  const index = r.bits(4);
  return index === EXPLICIT_RATE ? r.bits(24) : (RATES[index] ?? 0);
}
