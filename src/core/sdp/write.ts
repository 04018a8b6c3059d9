import type { MediaSection, SessionDescription } from "./description.ts";

/** Data channels before RFC 8841; aiortc offers them so. */
const LEGACY_SCTP = "DTLS/SCTP";

/** An m-line needs a format; where no codec is known this one means none, while 0 would be PCMU (RFC 3551). */
const NO_FORMAT = "127";

/** Writes a description with CRLF line ends. Transport parameters go to every section in use. */
export function writeSdp(d: SessionDescription): string {
  const t = d.transport;
  const out = ["v=0", `o=- ${d.sessionId} ${d.version} IN IP4 127.0.0.1`, "s=-", "t=0 0"];
  if (d.bundle.length > 0) out.push(`a=group:BUNDLE ${d.bundle.join(" ")}`);
  if (t.iceLite) out.push("a=ice-lite");
  out.push("a=msid-semantic: WMS *");
  let first = true;
  for (const m of d.media) {
    writeMLine(out, m);
    if (m.port === 0 && !m.bundleOnly) continue;
    out.push(`a=ice-ufrag:${t.ufrag}`, `a=ice-pwd:${t.pwd}`, "a=ice-options:trickle");
    out.push(`a=fingerprint:${t.fingerprint}`, `a=setup:${t.setup}`);
    if (first) {
      for (const c of t.candidates) out.push(`a=${c}`);
      if (t.endOfCandidates) out.push("a=end-of-candidates");
      first = false;
    }
  }
  return `${out.join("\r\n")}\r\n`;
}

function writeMLine(out: string[], m: MediaSection): void {
  const isData = m.kind === "application";
  const sctpPort = m.sctpPort ?? 5000;
  const legacy = m.protocol === LEGACY_SCTP;
  const payloadTypes = m.codecs.map((c) => c.payloadType).join(" ");
  const data = legacy ? `${sctpPort}` : "webrtc-datachannel";
  const formats = isData ? data : payloadTypes || (m.port === 0 && !m.bundleOnly ? "0" : NO_FORMAT);
  out.push(`m=${m.kind} ${m.port} ${m.protocol} ${formats}`, "c=IN IP4 0.0.0.0", `a=mid:${m.mid}`);
  if (m.port === 0 && !m.bundleOnly) {
    if (!isData) out.push("a=inactive");
    return;
  }
  if (m.bundleOnly) out.push("a=bundle-only");
  if (isData) {
    out.push(legacy ? `a=sctpmap:${sctpPort} webrtc-datachannel` : `a=sctp-port:${sctpPort}`);
    if (m.maxMessageSize !== undefined) out.push(`a=max-message-size:${m.maxMessageSize}`);
    return;
  }
  if (m.extmapAllowMixed) out.push("a=extmap-allow-mixed");
  for (const e of m.extensions) out.push(`a=extmap:${e.id} ${e.uri}`);
  out.push(`a=${m.direction}`);
  if (m.msid) out.push(`a=msid:${m.msid.stream} ${m.msid.track}`.trimEnd());
  if (m.rtcpMux) out.push("a=rtcp-mux");
  if (m.rtcpRsize) out.push("a=rtcp-rsize");
  for (const c of m.codecs) {
    const channels = c.channels === undefined || c.channels === 1 ? "" : `/${c.channels}`;
    out.push(`a=rtpmap:${c.payloadType} ${c.name}/${c.clockRate}${channels}`);
    for (const f of c.feedback) out.push(`a=rtcp-fb:${c.payloadType} ${f}`);
    if (c.fmtp) out.push(`a=fmtp:${c.payloadType} ${c.fmtp}`);
  }
  for (const r of m.rids) out.push(`a=rid:${r.id} ${r.direction}${r.params ? ` ${r.params}` : ""}`);
  if (m.simulcast) out.push(`a=simulcast:${m.simulcast}`);
  for (const g of m.ssrcGroups) out.push(`a=ssrc-group:${g.semantics} ${g.ssrcs.join(" ")}`);
  for (const [ssrc, s] of m.ssrcs) out.push(`a=ssrc:${ssrc} cname:${s.cname ?? "roomtap"}`);
}
