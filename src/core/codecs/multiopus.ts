import { fmtpValue } from "../fmtp.ts";
import type { Codec, Depacketizer, JoinedFrame, PayloadInfo } from "./codec.ts";
import { opus } from "./opus.ts";
import { type OpusMapping, opusHead } from "./opus-packet.ts";

const MAX_CHANNELS = 8;

/** Channels and how the streams make them, from `channel_mapping`, `num_streams` and `coupled_streams`. */
function mappingOf(fmtp: string): OpusMapping | undefined {
  const streams = Number(fmtpValue(fmtp, "num_streams"));
  const coupled = Number(fmtpValue(fmtp, "coupled_streams"));
  const channelMapping = (fmtpValue(fmtp, "channel_mapping") ?? "none").split(",").map(Number);
  const valid =
    Number.isInteger(streams) &&
    Number.isInteger(coupled) &&
    streams >= 1 &&
    coupled >= 0 &&
    coupled <= streams &&
    channelMapping.length <= MAX_CHANNELS &&
    channelMapping.every((c) => Number.isInteger(c) && c >= 0 && (c < streams + coupled || c === 255));
  return valid ? { streams, coupled, channelMapping } : undefined;
}

/** A packet is several Opus packets in a row, of the same length in time: the first one tells how long. */
class MultiopusDepacketizer implements Depacketizer {
  readonly #inner = opus.depacketizer();
  readonly #config: Uint8Array | undefined;

  constructor(fmtp: string) {
    const mapping = mappingOf(fmtp);
    this.#config = mapping && opusHead({ channels: mapping.channelMapping.length, mapping });
  }

  inspect(payload: Uint8Array): PayloadInfo | undefined {
    return this.#config && this.#inner.inspect(payload);
  }

  join(payloads: readonly Uint8Array[]): JoinedFrame | undefined {
    const frame = this.#config && this.#inner.join(payloads);
    return frame && this.#config ? { ...frame, config: this.#config } : undefined;
  }
}

/** Surround sound as Chromium sends it: Opus of more than two channels, described by the signalling alone. */
export const multiopus: Codec = {
  name: "multiopus",
  kind: "audio",
  rtpName: "multiopus",
  clockRate: 48_000,
  marker: "end",
  depacketizer: (fmtp) => new MultiopusDepacketizer(fmtp ?? ""),
  packetizer: () => opus.packetizer(),
};
