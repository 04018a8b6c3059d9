import { assemblerTargets } from "./assembler.ts";
import { matroskaTarget, rtpDumpTarget } from "./containers.ts";
import { candidateTarget, descriptionTarget, sdpTarget } from "./descriptions.ts";
import { flvTarget } from "./flv.ts";
import { blobTarget, galeneTarget, messageTarget } from "./messages.ts";
import { oggTarget } from "./ogg.ts";
import { rtcpTarget, rtpTarget } from "./packets.ts";
import { parameterSetTargets, payloadTargets } from "./payloads.ts";
import { receiverTarget } from "./receiver.ts";
import type { FuzzTarget } from "./target.ts";

/** Everything that strangers' bytes go into. */
export const targets: readonly FuzzTarget[] = [
  rtpTarget,
  rtcpTarget,
  ...payloadTargets,
  ...parameterSetTargets,
  ...assemblerTargets,
  receiverTarget,
  descriptionTarget,
  candidateTarget,
  sdpTarget,
  messageTarget,
  galeneTarget,
  blobTarget,
  matroskaTarget,
  rtpDumpTarget,
  oggTarget,
  flvTarget,
];
