import { parseAudioSpecificConfig } from "../codecs/aac.ts";
import { parseAvcDecoderConfig } from "../codecs/h264-avcc.ts";
import { TsWriter } from "../containers/mpegts/writer.ts";

/** The configurations of codecs that go into a transport stream, at least one. */
export type TransportStreamFormat = {
  /** AVCDecoderConfigurationRecord for 4-byte NAL lengths. */
  readonly video?: { readonly config: Uint8Array };
  /** AudioSpecificConfig of AAC that ADTS can say: AAC-LC, or with it at its core. */
  readonly audio?: { readonly config: Uint8Array };
};

/** Starts a transport stream. undefined: a configuration is none, or not one that MPEG-TS can carry as we write it. */
export function transportStream(o: TransportStreamFormat): TsWriter | undefined {
  const video = o.video && parseAvcDecoderConfig(o.video.config);
  const audio = o.audio && parseAudioSpecificConfig(o.audio.config);
  if ((o.video && video?.lengthSize !== 4) || (o.audio && !(audio && audio.coreType <= 4))) return undefined;
  return new TsWriter({
    ...(video ? { video: { parameterSets: [...video.sps, ...video.pps] } } : {}),
    ...(audio ? { audio } : {}),
  });
}
