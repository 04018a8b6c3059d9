import type { Codec } from "../codecs/codec.ts";
import { codecByRtpName } from "../codecs/registry.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";

/** What the packets of a payload type are to a stream. */
export type PayloadRole =
  | { readonly role: "media"; readonly codec: Codec; readonly fmtp: string }
  /** Nothing that becomes a frame: it only keeps the numbers continuous. */
  | { readonly role: "none" };

const NONE: PayloadRole = { role: "none" };
/** Retransmissions and error correction are no media of their own. */
const auxiliary: ReadonlySet<string> = new Set(["rtx", "ulpfec", "flexfec", "flexfec-03"]);

/** The role of a negotiated payload type; undefined: a codec that is none of ours. */
export function payloadRole(p: NegotiatedPayload): PayloadRole | undefined {
  if (auxiliary.has(p.codec)) return NONE;
  const codec = codecByRtpName(p.codec);
  return codec && { role: "media", codec, fmtp: p.fmtp };
}
