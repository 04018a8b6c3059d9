import type { Codec } from "./codec.ts";
import { Vp9Depacketizer } from "./vp9-depacketizer.ts";
import { Vp9Packetizer } from "./vp9-packetizer.ts";

/** VP9 over RTP. */
export const vp9: Codec = {
  name: "vp9",
  kind: "video",
  rtpName: "VP9",
  clockRate: 90_000,
  marker: "end",
  depacketizer: () => new Vp9Depacketizer(),
  packetizer: () => new Vp9Packetizer(),
};
