import type { Depacketizer, JoinedFrame, Packetizer, PayloadChunk, PayloadInfo } from "./codec.ts";

const INFO: PayloadInfo = { start: true, end: true, keyframe: true, discardable: false, media: true };
/** An octet lasts an eighth of a millisecond. */
const OCTET_US = 125;

/** Receiving side of sound at 64 kbit/s, an octet for each tick of an 8 kHz clock: a payload is a frame. */
export class OctetDepacketizer implements Depacketizer {
  inspect(payload: Uint8Array): PayloadInfo | undefined {
    return payload.length === 0 ? undefined : INFO;
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const data = payloads[0];
    if (data === undefined || data.length === 0) return undefined;
    return { data, keyframe: true, duration: data.length * OCTET_US };
  }
}

/** Sending side: what is too long for one packet goes into several. */
export class OctetPacketizer implements Packetizer {
  packetize(frame: Uint8Array, o: { maxPayload: number }): PayloadChunk[] {
    const out: PayloadChunk[] = [];
    for (let i = 0; i < frame.length; i += o.maxPayload)
      out.push({ payload: frame.subarray(i, i + o.maxPayload), marker: false });
    return out;
  }
}
