import type { MediaKind } from "../frame.ts";
import type { LocalTrack } from "../room.ts";

/** A payload type we agreed on: a codec, or retransmissions of one (`apt`). */
export type NegotiatedPayload = {
  readonly payloadType: number;
  /** Lower-case RTP name: "opus", "vp8", "h264", "rtx". */
  readonly codec: string;
  readonly clockRate: number;
  readonly channels?: number;
  readonly fmtp: string;
  readonly feedback: readonly string[];
  readonly apt?: number;
};

/** One SSRC of ours, and the one that repeats its packets. */
export type NegotiatedStream = {
  readonly ssrc: number;
  readonly rtx?: { readonly payloadType: number; readonly ssrc: number };
};

/** Our own stream on an m-line, as agreed. */
export type NegotiatedSend = NegotiatedStream & {
  readonly track: LocalTrack;
  readonly payload: NegotiatedPayload;
  /** Simulcast layers that the other side takes, as in the plan. They are sent in place of the one stream. */
  readonly layers?: readonly (NegotiatedStream & { readonly rid: string })[];
};

/** What both sides agreed on one m-line. */
export type NegotiatedMedia = {
  readonly mid: string;
  readonly kind: MediaKind;
  /** The remote side may send and we want it. */
  readonly receiving: boolean;
  readonly send?: NegotiatedSend;
  readonly payloads: readonly NegotiatedPayload[];
  readonly extensions: ReadonlyMap<number, string>;
  /** Remote SSRCs that the description names, each with its RTX SSRC where there is one. */
  readonly remoteSsrcs: readonly { readonly ssrc: number; readonly rtx?: number; readonly cname?: string }[];
  /** RIDs the remote side sends (simulcast), in its order. */
  readonly remoteRids: readonly string[];
  readonly remoteMsid?: { readonly stream: string; readonly track: string };
  /** Reduced-size RTCP (RFC 5506) was agreed. */
  readonly rtcpRsize: boolean;
};
