import type { Codec } from "./codec.ts";
import { H264Depacketizer } from "./h264-depacketizer.ts";
import { h264Packetizer } from "./h264-packetizer.ts";

/** H.264 over RTP. Frames are Annex B access units with 4-byte start codes. */
export const h264: Codec = {
  name: "h264",
  kind: "video",
  rtpName: "H264",
  clockRate: 90_000,
  // One marker per NAL unit is common among cameras and restreamers.
  marker: "hint",
  depacketizer: (fmtp) => new H264Depacketizer(fmtp),
  packetizer: (fmtp) => h264Packetizer(fmtp),
};
