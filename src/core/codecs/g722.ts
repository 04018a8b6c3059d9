import type { Codec } from "./codec.ts";
import { OctetDepacketizer, OctetPacketizer } from "./octet-audio.ts";

/**
 * G.722 over RTP. Its clock runs at 8000 Hz though the sound is sampled at 16 kHz: an error of the first
 * specification that was kept (RFC 3551 section 4.5.2).
 */
export const g722: Codec = {
  name: "g722",
  kind: "audio",
  rtpName: "G722",
  clockRate: 8000,
  marker: "end",
  depacketizer: () => new OctetDepacketizer(),
  packetizer: () => new OctetPacketizer(),
};
