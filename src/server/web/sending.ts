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
  const chosen = parameters.codecs.find((c) => isCodec(c, "video", codec));
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
 * Restricts what descriptions offer to the codecs of a list like `av1,g722`, where the browser has them, and what
 * belongs to them: retransmissions, and the codec inside redundancy. That binds the peer; an answerer's own sending
 * follows the offer's order instead, until `tuneSender` chooses.
 */
export function preferCodec(pc: RTCPeerConnection, codecs: string | undefined): void {
  if (codecs === undefined) return;
  for (const transceiver of pc.getTransceivers()) {
    const { kind } = transceiver.receiver.track;
    const all = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
    const wanted = all.filter((c) => isCodec(c, kind, codecs));
    if (wanted.length === 0 || transceiver.direction === "stopped") continue;
    const helpers = all.filter((c) => isCodec(c, kind, codecs.includes("red") ? "rtx,opus" : "rtx"));
    transceiver.setCodecPreferences([...wanted, ...helpers]);
  }
}

/** The codec is one of a list like `av1,g722`. */
function isCodec(c: RTCRtpCodec, kind: string, names: string | undefined): boolean {
  return names?.split(",").some((name) => c.mimeType.toLowerCase() === `${kind}/${name}`) === true;
}
