import type { Codec } from "./codec.ts";
import { H265Depacketizer } from "./h265-depacketizer.ts";
import { h265Packetizer } from "./h265-packetizer.ts";

/** H.265 over RTP. Frames are Annex B access units with 4-byte start codes. */
export const h265: Codec = {
  name: "h265",
  kind: "video",
  rtpName: "H265",
  clockRate: 90_000,
  // As with H.264, cameras and restreamers set it on every NAL unit.
  marker: "hint",
  depacketizer: (fmtp) => new H265Depacketizer(fmtp),
  packetizer: () => h265Packetizer(),
};
