import type { Source } from "./protocol.ts";

/** Most bits per second for each kind of picture: a sharp 720p face, and text that stays readable. */
const MAX_VIDEO_BITRATE: Partial<Record<Source, number>> = { camera: 2_500_000, screen: 4_000_000 };

/** Sets the limits of a sender once; later calls change nothing. */
export async function tuneSender(sender: RTCRtpSender, source: Source): Promise<void> {
  const maxBitrate = MAX_VIDEO_BITRATE[source];
  if (maxBitrate === undefined) return;
  const parameters = sender.getParameters();
  const encoding = parameters.encodings[0];
  if (!encoding || encoding.maxBitrate === maxBitrate) return;
  encoding.maxBitrate = maxBitrate;
  // A face may lose some of both; a screen that goes blurred is worth nothing.
  parameters.degradationPreference = source === "screen" ? "maintain-resolution" : "balanced";
  await sender.setParameters(parameters).catch((e: unknown) => console.warn("setParameters", e));
}

/** Restricts video to one codec and its retransmissions, where the browser has it. */
export function preferCodec(pc: RTCPeerConnection, codec: string | undefined): void {
  if (codec === undefined) return;
  const all = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const wanted = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
  if (wanted.length === 0) return;
  const rtx = all.filter(({ mimeType }) => mimeType.toLowerCase() === "video/rtx");
  for (const transceiver of pc.getTransceivers()) {
    if (transceiver.receiver.track.kind === "video" && transceiver.direction !== "stopped") {
      transceiver.setCodecPreferences([...wanted, ...rtx]);
    }
  }
}
