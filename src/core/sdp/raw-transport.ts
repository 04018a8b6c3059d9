import type { SessionDescription, Setup, TransportParams } from "./description.ts";

/**
 * The raw track: the ICE/DTLS/SRTP library below sees one synthetic audio m-line (and the data-channel
 * section where one is negotiated), so that it hands up every packet of the bundle, whatever its SSRC. The
 * real description is ours alone.
 */

/** m-line identifiers of the synthetic description. */
export const RAW_MID = "t";
/** See `RAW_MID`. */
export const RAW_DATA_MID = "d";

/** The synthetic remote description for a real remote one. */
export function rawDescription(
  t: TransportParams,
  o: { setup: Setup; data: boolean; sctpPort?: number; maxMessageSize?: number },
): string {
  const transport = [
    `a=ice-ufrag:${t.ufrag}`,
    `a=ice-pwd:${t.pwd}`,
    `a=fingerprint:${t.fingerprint}`,
    `a=setup:${o.setup}`,
  ];
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${RAW_MID}${o.data ? ` ${RAW_DATA_MID}` : ""}`,
    ...(t.iceLite ? ["a=ice-lite"] : []),
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "c=IN IP4 0.0.0.0",
    `a=mid:${RAW_MID}`,
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    ...transport,
  ];
  if (o.data) {
    lines.push(
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 0.0.0.0",
      `a=mid:${RAW_DATA_MID}`,
      `a=sctp-port:${o.sctpPort ?? 5000}`,
      `a=max-message-size:${o.maxMessageSize ?? 65_536}`,
      ...transport,
    );
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** Adds our ICE agent's parameters to a description body. */
export function withTransport(
  body: Pick<SessionDescription, "bundle" | "media">,
  t: TransportParams,
  o: { sessionId: string; version: number; setup: Setup },
): SessionDescription {
  return { ...body, sessionId: o.sessionId, version: o.version, transport: { ...t, setup: o.setup } };
}
