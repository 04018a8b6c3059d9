import { Av1Depacketizer } from "./av1-depacketizer.ts";
import { Av1Packetizer } from "./av1-packetizer.ts";
import type { Codec } from "./codec.ts";

/** AV1 over RTP. */
export const av1: Codec = {
  name: "av1",
  kind: "video",
  rtpName: "AV1",
  clockRate: 90_000,
  marker: "end",
  depacketizer: () => new Av1Depacketizer(),
  packetizer: () => new Av1Packetizer(),
};
