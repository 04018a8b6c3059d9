import type { Source } from "./protocol.ts";

/** Most bits per second for each kind of picture: a sharp 720p face, and text that stays readable. */
const MAX_VIDEO_BITRATE: Partial<Record<Source, number>> = { camera: 2_500_000, screen: 4_000_000 };

/** The `codec` of webrtc-extensions, which TypeScript does not know yet. */
type EncodingWithCodec = RTCRtpEncodingParameters & { codec?: RTCRtpCodec };

/** How long the browser takes to find out what the path carries. */
const WARM_UP_MS = 6000;

/**
 * Sets the limits of a sender once; later calls change nothing.
 *
 * Chromium starts from 300 kbit/s, and a sender that may give up resolution begins at 320 pixels and needs half a
 * minute to climb, at the expense of every recording. So pictures begin at full size, and faces may shrink only
 * after the warm-up. A screen never does: blurred text is worth nothing.
 */
export async function tuneSender(
  sender: RTCRtpSender,
  source: Source,
  codec: string | undefined,
): Promise<void> {
  const maxBitrate = MAX_VIDEO_BITRATE[source];
  const parameters = sender.getParameters();
  const encoding: EncodingWithCodec | undefined = parameters.encodings[0];
  if (maxBitrate === undefined || !encoding || encoding.maxBitrate === maxBitrate) return;
  encoding.maxBitrate = maxBitrate;
  const chosen = parameters.codecs.find((c) => isCodec(c, codec));
  if (chosen) encoding.codec = chosen;
  await apply(sender, parameters, "maintain-resolution");
  if (source === "camera") {
    window.setTimeout(() => void apply(sender, sender.getParameters(), "balanced"), WARM_UP_MS);
  }
}

async function apply(
  sender: RTCRtpSender,
  parameters: RTCRtpSendParameters,
  preference: RTCDegradationPreference,
): Promise<void> {
  parameters.degradationPreference = preference;
  // Refused when the connection was closed meanwhile.
  await sender.setParameters(parameters).catch(() => {});
}

/**
 * Restricts the video that descriptions offer to one codec and its retransmissions, where the browser has it. That
 * binds the peer; an answerer's own sending follows the offer's order instead, until `tuneSender` chooses.
 */
export function preferCodec(pc: RTCPeerConnection, codec: string | undefined): void {
  if (codec === undefined) return;
  const all = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const wanted = all.filter((c) => isCodec(c, codec));
  if (wanted.length === 0) return;
  const rtx = all.filter((c) => isCodec(c, "rtx"));
  for (const transceiver of pc.getTransceivers()) {
    if (transceiver.receiver.track.kind === "video" && transceiver.direction !== "stopped") {
      transceiver.setCodecPreferences([...wanted, ...rtx]);
    }
  }
}

function isCodec(c: RTCRtpCodec, name: string | undefined): boolean {
  return c.mimeType.toLowerCase() === `video/${name}`;
}
