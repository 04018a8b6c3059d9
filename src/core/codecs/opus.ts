import type { Codec, Depacketizer, JoinedFrame, Packetizer, PayloadChunk, PayloadInfo } from "./codec.ts";
import { opusPacketDuration } from "./opus-packet.ts";

const INFO: PayloadInfo = { start: true, end: true, keyframe: true, discardable: false, media: true };

/** Receiving side (RFC 7587): a payload is a packet. */
class OpusDepacketizer implements Depacketizer {
  inspect(payload: Uint8Array): PayloadInfo | undefined {
    return opusPacketDuration(payload) === undefined ? undefined : INFO;
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const data = payloads[0];
    if (data === undefined) return undefined;
    const duration = opusPacketDuration(data);
    return duration === undefined ? undefined : { data, keyframe: true, duration };
  }
}

/** Sending side. An Opus packet is never split; the sender sets the marker after a silence. */
class OpusPacketizer implements Packetizer {
  packetize(frame: Uint8Array): PayloadChunk[] {
    return frame.length === 0 ? [] : [{ payload: frame, marker: false }];
  }
}

/** Opus over RTP: always 48 kHz and two channels in SDP, whatever the packets hold. */
export const opus: Codec = {
  name: "opus",
  kind: "audio",
  rtpName: "opus",
  clockRate: 48_000,
  channels: 2,
  marker: "end",
  depacketizer: () => new OpusDepacketizer(),
  packetizer: () => new OpusPacketizer(),
};
