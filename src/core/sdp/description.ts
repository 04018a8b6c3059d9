/** The shape of a session description (RFC 8866, RFC 8829) as far as a WebRTC peer needs it. Plain data. */

/** RFC 4566 stream direction, from the view of whoever wrote the description. */
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** a=setup of RFC 4145 / RFC 8842. */
export type Setup = "actpass" | "active" | "passive";

/** One payload type: a=rtpmap with its a=fmtp and a=rtcp-fb lines. */
export type SdpCodec = {
  readonly payloadType: number;
  /** Payload name as written. */
  readonly name: string;
  readonly clockRate: number;
  readonly channels?: number;
  /** Format parameters, empty when there are none. */
  readonly fmtp: string;
  /** Feedback, each as written after the payload type: "nack", "nack pli", "transport-cc", ... */
  readonly feedback: readonly string[];
};

/** a=extmap (RFC 8285 section 8). */
export type SdpExtension = { readonly id: number; readonly uri: string };

/** a=rid (RFC 8851). */
export type SdpRid = { readonly id: string; readonly direction: "send" | "recv"; readonly params: string };

/** a=ssrc-group (RFC 5576 section 4.2). */
export type SsrcGroup = { readonly semantics: string; readonly ssrcs: readonly number[] };

/** ICE and DTLS parameters, from session or media level. */
export type TransportParams = {
  readonly ufrag: string;
  readonly pwd: string;
  /** Hash function and value, "sha-256 AB:CD:...". */
  readonly fingerprint: string;
  readonly setup: Setup;
  readonly iceLite: boolean;
  /** Candidate lines without "a=". */
  readonly candidates: readonly string[];
  readonly endOfCandidates: boolean;
};

/** One m-line. */
export type MediaSection = {
  /** "audio", "video", "application", or another word to be rejected. */
  readonly kind: string;
  /** 0: rejected or removed. */
  readonly port: number;
  readonly protocol: string;
  readonly mid: string;
  readonly direction: Direction;
  readonly codecs: readonly SdpCodec[];
  readonly extensions: readonly SdpExtension[];
  readonly msid?: { readonly stream: string; readonly track: string };
  readonly ssrcs: ReadonlyMap<number, { readonly cname?: string }>;
  readonly ssrcGroups: readonly SsrcGroup[];
  readonly rids: readonly SdpRid[];
  /** Value of a=simulcast, as written. */
  readonly simulcast?: string;
  readonly bundleOnly: boolean;
  readonly rtcpMux: boolean;
  readonly rtcpRsize: boolean;
  readonly extmapAllowMixed: boolean;
  /** Data channels: RFC 8841. */
  readonly sctpPort?: number;
  readonly maxMessageSize?: number;
};

/** A whole description. Transport parameters are those of the bundle's first section. */
export type SessionDescription = {
  /** Session id and version of the o= line. */
  readonly sessionId: string;
  readonly version: number;
  readonly bundle: readonly string[];
  readonly transport: TransportParams;
  readonly media: readonly MediaSection[];
};
