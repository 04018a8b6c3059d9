import { box, descriptor, fullBox, u16s, u32s, zeros } from "./boxes.ts";

/** Pictures of H.264. */
export type Mp4Video = {
  /** AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1). */
  readonly config: Uint8Array;
  /** Pixels, 1..65535. */
  readonly width: number;
  readonly height: number;
};

/** Sound in AAC. */
export type Mp4Audio = {
  /** AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). */
  readonly config: Uint8Array;
  /** Hz. */
  readonly sampleRate: number;
  readonly channels: number;
};

/** 72 pixels per inch: a constant. */
const RESOLUTION = 0x0048_0000;
/** Object type of AAC, and stream type of audio with the reserved bit behind it (ISO/IEC 14496-1 section 7.2.6.6). */
const AAC = 0x40;
const AUDIO_STREAM = (5 << 2) | 1;
const Descriptor = { stream: 3, decoderConfig: 4, decoderSpecific: 5, syncLayer: 6 } as const;

/** The `avc1` sample entry: parameter sets stand in it, and nowhere else (ISO/IEC 14496-15 section 5.4.2). */
export function avcSampleEntry(v: Mp4Video): Uint8Array {
  return box(
    "avc1",
    // Reserved; the data is in this file.
    zeros(6),
    u16s(1),
    zeros(16),
    u16s(v.width, v.height),
    u32s(RESOLUTION, RESOLUTION, 0),
    // One picture per sample; no name of a compressor; 24 bits deep.
    u16s(1),
    zeros(32),
    u16s(24, 0xffff),
    box("avcC", v.config),
  );
}

/** The `mp4a` sample entry (ISO/IEC 14496-14 section 6.7.2). */
export function aacSampleEntry(a: Mp4Audio): Uint8Array {
  return box(
    "mp4a",
    zeros(6),
    u16s(1),
    zeros(8),
    u16s(a.channels, 16, 0, 0),
    // 16 bits before the point: higher rates stand only in the codec's configuration.
    u16s(a.sampleRate <= 0xffff ? a.sampleRate : 0, 0),
    fullBox(
      "esds",
      0,
      0,
      descriptor(
        Descriptor.stream,
        // No number of its own, no priority.
        zeros(3),
        descriptor(
          Descriptor.decoderConfig,
          Uint8Array.of(AAC, AUDIO_STREAM),
          // Sizes of buffers and rates are not known beforehand.
          zeros(11),
          descriptor(Descriptor.decoderSpecific, a.config),
        ),
        // What MP4 files have.
        descriptor(Descriptor.syncLayer, Uint8Array.of(2)),
      ),
    ),
  );
}
