import { u8 } from "../bytes.ts";
import { parseAudioSpecificConfig } from "./aac.ts";

/** Names of codecs as playlists and players write them (RFC 6381 section 3.3). */

/**
 * Of H.264: profile, constraints and level of an AVCDecoderConfigurationRecord, like `avc1.4D401E`. undefined: it is
 * none.
 */
export function avcCodecString(avcC: Uint8Array): string | undefined {
  if (avcC.length < 7 || u8(avcC, 0) !== 1) return undefined;
  const digits = Array.from(avcC.subarray(1, 4), (v) => v.toString(16).padStart(2, "0"));
  return `avc1.${digits.join("").toUpperCase()}`;
}

/** Of AAC: the object type of an AudioSpecificConfig, like `mp4a.40.2`. undefined: it is none. */
export function aacCodecString(asc: Uint8Array): string | undefined {
  const config = parseAudioSpecificConfig(asc);
  return config && `mp4a.40.${config.objectType}`;
}
