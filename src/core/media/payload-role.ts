import type { Codec } from "../codecs/codec.ts";
import { codecByRtpName } from "../codecs/registry.ts";
import type { NegotiatedPayload } from "../sdp/negotiated.ts";

/** What the packets of a payload type are to a stream. */
export type PayloadRole =
  | { readonly role: "media"; readonly codec: Codec; readonly fmtp: string }
  /** Media of a codec with copies of earlier packets (RFC 2198). `payloadType`: of the codec inside. */
  | { readonly role: "red"; readonly codec: Codec; readonly fmtp: string; readonly payloadType: number }
  /** Keys of a telephone (RFC 4733). */
  | { readonly role: "digits"; readonly clockRate: number }
  /** Nothing that becomes a frame: it only keeps the numbers continuous. */
  | { readonly role: "none" };

/** A role that frames come of. */
export type MediaRole = Extract<PayloadRole, { readonly codec: Codec }>;

const NONE: PayloadRole = { role: "none" };
/** Retransmissions and error correction are no media of their own; comfort noise says that there is none. */
const auxiliary: ReadonlySet<string> = new Set(["rtx", "ulpfec", "flexfec", "flexfec-03", "cn"]);

/**
 * The role of a negotiated payload type among all those of its m-line; undefined: a codec that is none of ours.
 */
export function payloadRole(
  p: NegotiatedPayload,
  all: ReadonlyMap<number, NegotiatedPayload>,
): PayloadRole | undefined {
  if (auxiliary.has(p.codec)) return NONE;
  if (p.codec === "telephone-event") return { role: "digits", clockRate: p.clockRate };
  if (p.codec === "red") return redundant(p, all);
  const codec = codecByRtpName(p.codec);
  return codec && { role: "media", codec, fmtp: p.fmtp };
}

/** RED names the payload types inside in its fmtp, like `111/111`; without one it is the first codec of the line. */
function redundant(
  red: NegotiatedPayload,
  all: ReadonlyMap<number, NegotiatedPayload>,
): PayloadRole | undefined {
  const named = all.get(Number(/^\d+/.exec(red.fmtp)?.[0] ?? Number.NaN));
  const inside = named ?? [...all.values()].find((p) => codecByRtpName(p.codec) !== undefined);
  const codec = inside && codecByRtpName(inside.codec);
  if (!codec) return undefined;
  return { role: "red", codec, fmtp: inside.fmtp, payloadType: inside.payloadType };
}
