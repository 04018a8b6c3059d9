import { expect, test } from "vitest";
import { parseAudioSpecificConfig } from "../../../src/core/codecs/aac.ts";
import { aacCodecString, avcCodecString } from "../../../src/core/codecs/codec-strings.ts";
import { hex } from "./hex.ts";

/** What ffmpeg's encoder writes for stereo at 48 kHz, and forms of it (ISO/IEC 14496-3 section 1.6.2.1). */
const configs = [
  [
    "1190",
    { objectType: 2, coreType: 2, sampleRate: 48_000, frequencyIndex: 3, channels: 2, channelConfig: 2 },
  ],
  [
    "119056e500",
    { objectType: 2, coreType: 2, sampleRate: 48_000, frequencyIndex: 3, channels: 2, channelConfig: 2 },
  ],
  [
    "1588",
    { objectType: 2, coreType: 2, sampleRate: 8000, frequencyIndex: 11, channels: 1, channelConfig: 1 },
  ],
  [
    "11b8",
    { objectType: 2, coreType: 2, sampleRate: 48_000, frequencyIndex: 3, channels: 8, channelConfig: 7 },
  ],
  // The rate in 24 bits: 44,100.
  [
    "1780562210",
    { objectType: 2, coreType: 2, sampleRate: 44_100, frequencyIndex: 4, channels: 2, channelConfig: 2 },
  ],
  // SBR to 48 kHz, and PS besides, above AAC-LC at 24 kHz.
  [
    "2b118800",
    { objectType: 5, coreType: 2, sampleRate: 24_000, frequencyIndex: 6, channels: 2, channelConfig: 2 },
  ],
  [
    "eb098800",
    { objectType: 29, coreType: 2, sampleRate: 24_000, frequencyIndex: 6, channels: 1, channelConfig: 1 },
  ],
  // Type 42 in the long form: USAC.
  [
    "f94640",
    { objectType: 42, coreType: 42, sampleRate: 48_000, frequencyIndex: 3, channels: 2, channelConfig: 2 },
  ],
] as const;

test.each(configs)("the configuration %s is read", (digits, expected) => {
  expect(parseAudioSpecificConfig(hex(digits))).toEqual(expected);
  expect(aacCodecString(hex(digits))).toBe(`mp4a.40.${expected.objectType}`);
});

test.each([
  ["nothing", ""],
  ["a cut one", "11"],
  ["no object type", "0190"],
  ["a reserved rate", "1690"],
  ["a rate that has no index", "1780562310"],
  ["channels told elsewhere", "1180"],
  ["reserved channels", "11c0"],
  ["SBR without what it extends", "2b11"],
])("%s is no configuration", (_, digits) => {
  expect(parseAudioSpecificConfig(hex(digits))).toBeUndefined();
  expect(aacCodecString(hex(digits))).toBeUndefined();
});

test("the name of H.264 is its profile, constraints and level", () => {
  expect(avcCodecString(hex("014d401effe1000467"))).toBe("avc1.4D401E");
  expect(avcCodecString(hex("0142c00affe100"))).toBe("avc1.42C00A");
  expect(avcCodecString(hex("0042c00affe100"))).toBeUndefined();
  expect(avcCodecString(hex("0142c00affe1"))).toBeUndefined();
});
