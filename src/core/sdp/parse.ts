import type {
  Direction,
  MediaSection,
  SdpCodec,
  SdpExtension,
  SdpRid,
  SessionDescription,
  Setup,
  SsrcGroup,
} from "./description.ts";

/** Bounds against hostile descriptions. */
const MAX_BYTES = 512 * 1024;
const MAX_SECTIONS = 256;
const MAX_LINES = 20_000;

type Draft = {
  kind: string;
  port: number;
  protocol: string;
  formats: string[];
  mid: string | undefined;
  direction: Direction | undefined;
  rtpmaps: Map<number, { name: string; clockRate: number; channels?: number }>;
  fmtps: Map<number, string>;
  feedback: [pt: string, value: string][];
  extensions: SdpExtension[];
  msid?: { stream: string; track: string };
  ssrcs: Map<number, { cname?: string }>;
  ssrcMsid?: { stream: string; track: string };
  ssrcGroups: SsrcGroup[];
  rids: SdpRid[];
  simulcast?: string;
  flags: Set<string>;
  sctpPort?: number;
  maxMessageSize?: number;
  transport: TransportDraft;
};

type TransportDraft = {
  ufrag?: string;
  pwd?: string;
  fingerprint?: string;
  setup?: Setup;
  candidates: string[];
};

/**
 * Reads a description. undefined when it is not one: no v= line, no ICE or DTLS parameters on the first
 * m-line in use, or beyond the bounds. Unknown lines and attributes are skipped.
 */
export function parseSdp(text: string): SessionDescription | undefined {
  if (text.length > MAX_BYTES) return undefined;
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.length > MAX_LINES || !lines[0]?.startsWith("v=")) return undefined;
  let sessionId = "0";
  let version = 0;
  let bundle: string[] = [];
  const sessionFlags = new Set<string>();
  const sessionExtensions: SdpExtension[] = [];
  let sessionDirection: Direction | undefined;
  const sessionTransport: TransportDraft = { candidates: [] };
  const sections: Draft[] = [];
  for (const line of lines) {
    const value = line.slice(2).trim();
    if (line.startsWith("o=")) {
      const [, id, v] = value.split(" ");
      sessionId = id ?? "0";
      version = count(v, Number.MAX_SAFE_INTEGER) ?? 0;
    } else if (line.startsWith("m=")) {
      const draft = parseMLine(value);
      if (!draft || sections.length >= MAX_SECTIONS) return undefined;
      sections.push(draft);
    } else if (line.startsWith("a=")) {
      const colon = value.indexOf(":");
      const name = colon < 0 ? value : value.slice(0, colon);
      const rest = colon < 0 ? "" : value.slice(colon + 1).trim();
      const section = sections.at(-1);
      if (parseTransportAttribute(section?.transport ?? sessionTransport, name, rest)) continue;
      if (section) parseMediaAttribute(section, name, rest);
      else if (name === "group" && rest.startsWith("BUNDLE")) bundle = rest.split(/\s+/).slice(1);
      else if (name === "extmap") pushExtension(sessionExtensions, rest);
      else if (isDirection(name)) sessionDirection = name;
      else sessionFlags.add(name);
    }
  }
  const mids = sections.flatMap((s) => (s.mid === undefined ? [] : [s.mid]));
  if (new Set(mids).size !== mids.length) return undefined;
  const unnamed = unusedMids(mids);
  const media = sections.map((s) =>
    finish(s, s.mid ?? unnamed(), sessionDirection, sessionExtensions, sessionFlags),
  );
  const transport = mergeTransport(sections, sessionTransport, sessionFlags);
  return transport && { sessionId, version, bundle, transport, media };
}

/** Names for m-lines without a=mid, "0", "1", ..., past those that others have. */
function unusedMids(taken: readonly string[]): () => string {
  const used = new Set(taken);
  let next = 0;
  return () => {
    while (used.has(String(next))) next++;
    return String(next++);
  };
}

function parseMLine(value: string): Draft | undefined {
  const [kind, port, protocol, ...formats] = value.split(/\s+/);
  // "49170/2" counts ports, which nobody multiplexing uses.
  const n = count(port?.split("/")[0], 65_535);
  if (!kind || !protocol || n === undefined) return undefined;
  return {
    kind,
    port: n,
    protocol,
    formats,
    mid: undefined,
    direction: undefined,
    rtpmaps: new Map(),
    fmtps: new Map(),
    feedback: [],
    extensions: [],
    ssrcs: new Map(),
    ssrcGroups: [],
    rids: [],
    flags: new Set(),
    transport: { candidates: [] },
  };
}

function parseTransportAttribute(t: TransportDraft, name: string, value: string): boolean {
  switch (name) {
    case "ice-ufrag":
      t.ufrag = value;
      return true;
    case "ice-pwd":
      t.pwd = value;
      return true;
    case "fingerprint":
      // Several hashes may be offered; the strongest that every stack knows is SHA-256.
      if (!t.fingerprint || /^sha-256 /i.test(value)) t.fingerprint = value;
      return true;
    case "setup":
      // holdconn means "no role yet" and is answered like actpass (RFC 4145 section 4).
      t.setup = value === "active" || value === "passive" ? value : "actpass";
      return true;
    case "candidate":
      t.candidates.push(`candidate:${value}`);
      return true;
    default:
      return false;
  }
}

function parseMediaAttribute(s: Draft, name: string, value: string): void {
  switch (name) {
    case "mid":
      if (/^\S{1,255}$/.test(value)) s.mid = value;
      return;
    case "rtpmap": {
      const m = /^(\d{1,3}) +([^/\s]+)\/(\d{1,9})(?:\/(\d{1,3}))?(?!\S)/.exec(value);
      if (!m) return;
      // One channel is what none said means (RFC 8866 section 6.6); Firefox says it.
      const channels = m[4] === undefined || Number(m[4]) === 1 ? {} : { channels: Number(m[4]) };
      s.rtpmaps.set(Number(m[1]), { name: m[2] ?? "", clockRate: Number(m[3]), ...channels });
      return;
    }
    case "fmtp": {
      const m = /^(\d{1,3}) (.*)$/.exec(value);
      if (m) s.fmtps.set(Number(m[1]), (m[2] ?? "").trim());
      return;
    }
    case "rtcp-fb": {
      const m = /^(\d{1,3}|\*) (.*)$/.exec(value);
      if (m) s.feedback.push([m[1] ?? "*", (m[2] ?? "").trim()]);
      return;
    }
    case "extmap":
      pushExtension(s.extensions, value);
      return;
    case "msid": {
      const [stream, track] = value.split(/\s+/);
      if (stream) s.msid = { stream, track: track ?? "" };
      return;
    }
    case "ssrc":
      parseSsrc(s, value);
      return;
    case "ssrc-group": {
      const [semantics, ...ids] = value.split(/\s+/);
      const ssrcs = ids.map(Number).filter(isU32);
      if (semantics && ssrcs.length > 0) s.ssrcGroups.push({ semantics, ssrcs });
      return;
    }
    case "rid": {
      const m = /^([A-Za-z0-9_-]{1,255}) (send|recv)(?: (.*))?$/.exec(value);
      if (m)
        s.rids.push({ id: m[1] ?? "", direction: m[2] === "send" ? "send" : "recv", params: m[3] ?? "" });
      return;
    }
    case "simulcast":
      if (value !== "") s.simulcast = value;
      return;
    case "sctp-port":
      s.sctpPort = count(value, 65_535) ?? 5000;
      return;
    case "sctpmap": {
      // What RFC 8841 was before it was one; aiortc writes it.
      const port = count(/^(\d+) webrtc-datachannel(?: |$)/.exec(value)?.[1], 65_535);
      if (port !== undefined) s.sctpPort = port;
      return;
    }
    case "max-message-size": {
      const bytes = count(value, Number.MAX_SAFE_INTEGER);
      if (bytes !== undefined) s.maxMessageSize = bytes;
      return;
    }
    default:
      if (isDirection(name)) s.direction = name;
      else s.flags.add(name);
  }
}

function parseSsrc(s: Draft, value: string): void {
  const m = /^(\d+)(?: ([^:\s]+)(?::(.*))?)?$/.exec(value);
  const ssrc = Number(m?.[1]);
  if (!m || !isU32(ssrc)) return;
  const entry = s.ssrcs.get(ssrc) ?? {};
  if (m[2] === "cname" && m[3]) entry.cname = m[3].trim();
  if (m[2] === "msid" && m[3]) {
    const [stream, track] = m[3].trim().split(/\s+/);
    if (stream) s.ssrcMsid = { stream, track: track ?? "" };
  }
  s.ssrcs.set(ssrc, entry);
}

function pushExtension(list: SdpExtension[], value: string): void {
  const m = /^(\d+)(?:\/\w+)? (\S+)/.exec(value);
  const id = Number(m?.[1]);
  if (m?.[2] && id >= 1 && id <= 255) list.push({ id, uri: m[2] });
}

function finish(
  s: Draft,
  mid: string,
  sessionDirection: Direction | undefined,
  sessionExtensions: readonly SdpExtension[],
  sessionFlags: ReadonlySet<string>,
): MediaSection {
  const codecs: SdpCodec[] = [];
  for (const pt of new Set(s.formats.map((f) => count(f, 127)))) {
    if (pt === undefined) continue;
    const map = s.rtpmaps.get(pt) ?? (s.kind === "audio" ? staticPayloads.get(pt) : undefined);
    if (!map) continue;
    const feedback = s.feedback.filter(([p]) => p === "*" || Number(p) === pt).map(([, v]) => v);
    codecs.push({ payloadType: pt, ...map, fmtp: s.fmtps.get(pt) ?? "", feedback });
  }
  const msid = s.msid ?? s.ssrcMsid;
  return {
    kind: s.kind,
    port: s.port,
    protocol: s.protocol,
    mid,
    direction: s.direction ?? sessionDirection ?? "sendrecv",
    codecs,
    extensions: s.extensions.length > 0 ? s.extensions : sessionExtensions,
    ...(msid ? { msid } : {}),
    ssrcs: s.ssrcs,
    ssrcGroups: s.ssrcGroups,
    rids: s.rids,
    ...(s.simulcast === undefined ? {} : { simulcast: s.simulcast }),
    bundleOnly: s.flags.has("bundle-only"),
    rtcpMux: s.flags.has("rtcp-mux"),
    rtcpRsize: s.flags.has("rtcp-rsize"),
    extmapAllowMixed: s.flags.has("extmap-allow-mixed") || sessionFlags.has("extmap-allow-mixed"),
    ...(s.sctpPort === undefined ? {} : { sctpPort: s.sctpPort }),
    ...(s.maxMessageSize === undefined ? {} : { maxMessageSize: s.maxMessageSize }),
  };
}

/** RFC 3551 section 6: payload types that need no rtpmap. */
const staticPayloads: ReadonlyMap<number, { name: string; clockRate: number }> = new Map([
  [0, { name: "PCMU", clockRate: 8000 }],
  [8, { name: "PCMA", clockRate: 8000 }],
  [9, { name: "G722", clockRate: 8000 }],
  [13, { name: "CN", clockRate: 8000 }],
]);

/** The first section in use that has its own ICE parameters speaks for the bundle (RFC 9143 section 7). */
function mergeTransport(
  sections: readonly Draft[],
  session: TransportDraft,
  flags: ReadonlySet<string>,
): SessionDescription["transport"] | undefined {
  const inUse = sections.filter((s) => s.port !== 0 || s.flags.has("bundle-only"));
  const t = inUse.find((s) => s.transport.ufrag)?.transport;
  const ufrag = t?.ufrag ?? session.ufrag;
  const pwd = t?.pwd ?? session.pwd;
  const fingerprint =
    t?.fingerprint ??
    session.fingerprint ??
    sections.find((s) => s.transport.fingerprint)?.transport.fingerprint;
  if (!ufrag || !pwd || !fingerprint) return undefined;
  if (!isIceToken(ufrag, 4) || !isIceToken(pwd, 22) || !/^[\w-]+ [0-9A-Fa-f:]+$/.test(fingerprint))
    return undefined;
  // An offer that is not bundled yet has addresses of other agents' on its other m-lines.
  const ours = sections.filter((s) => (s.transport.ufrag ?? ufrag) === ufrag);
  const candidates = [...session.candidates, ...ours.flatMap((s) => s.transport.candidates)];
  return {
    ufrag,
    pwd,
    fingerprint,
    setup: t?.setup ?? session.setup ?? inUse.find((s) => s.transport.setup)?.transport.setup ?? "actpass",
    iceLite: flags.has("ice-lite"),
    candidates: [...new Set(candidates)],
    endOfCandidates: flags.has("end-of-candidates") || sections.some((s) => s.flags.has("end-of-candidates")),
  };
}

/** RFC 8839 section 5.4: ice-char, at most 256. */
function isIceToken(s: string, min: number): boolean {
  return s.length >= min && s.length <= 256 && /^[A-Za-z0-9+/=_-]+$/.test(s);
}

function isDirection(s: string): s is Direction {
  return s === "sendrecv" || s === "sendonly" || s === "recvonly" || s === "inactive";
}

/** A plain decimal number up to `max`. */
function count(s: string | undefined, max: number): number | undefined {
  if (s === undefined || !/^\d{1,20}$/.test(s)) return undefined;
  const n = Number(s);
  return n <= max ? n : undefined;
}

function isU32(n: number): boolean {
  return Number.isInteger(n) && n >= 0 && n <= 0xffffffff;
}
