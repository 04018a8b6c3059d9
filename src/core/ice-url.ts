import type { IceServer } from "./room.ts";

/** What carries STUN between a client and its server. */
export type IceTransport = "udp" | "tcp" | "tls";

/** Where a STUN or TURN server is, and how it is talked to. `host` is without brackets. */
export type IceUrl = {
  readonly kind: "stun" | "turn";
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
  readonly transport: IceTransport;
};

const PATTERN =
  /^(stuns?|turns?):(\[[0-9A-Fa-f:.]{2,45}\]|[^:?\s[\]/@#]{1,253})(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i;

/**
 * Reads the URL of an ICE server (RFC 7064, RFC 7065); undefined: it is none. Without a port it is 3478, with TLS 5349.
 * `turns` over UDP is DTLS, which nobody serves: it is none here.
 */
export function parseIceUrl(url: string): IceUrl | undefined {
  const m = PATTERN.exec(url);
  const [, scheme = "", host = "", digits, asked] = m ?? [];
  const secure = scheme.toLowerCase().endsWith("s");
  const port = digits === undefined ? (secure ? 5349 : 3478) : Number(digits);
  if (!m || port < 1 || port > 65_535) return undefined;
  const udp = asked?.toLowerCase() === "udp";
  if (secure && udp) return undefined;
  const kind = scheme.toLowerCase().startsWith("turn") ? "turn" : "stun";
  // `stun` has no transport in RFC 7064; some write one.
  const transport = secure ? "tls" : asked === undefined || udp ? "udp" : "tcp";
  return { kind, host: host.replace(/^\[|\]$/g, ""), port, transport };
}

/**
 * Reads a server as people write it on a command line: a URL, for TURN with `USER:PASSWORD@` before the host, both
 * percent-encoded where they hold `:`, `@`, `/` or `%`. Undefined: it is none.
 */
export function parseIceServer(text: string): IceServer | undefined {
  const m = /^(turns?):([^:@\s]*):([^:@\s]*)@(\S+)$/i.exec(text);
  if (!m) return parseIceUrl(text) ? { urls: [text] } : undefined;
  const url = `${m[1]}:${m[4]}`;
  const [username, credential] = [decode(m[2] ?? ""), decode(m[3] ?? "")];
  if (!parseIceUrl(url) || !username || credential === undefined) return undefined;
  return { urls: [url], username, credential };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** A server's place for people: without secrets. */
export function iceUrlInWords({ kind, host, port, transport }: IceUrl): string {
  const at = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return `${kind.toUpperCase()} server ${at}${transport === "udp" ? "" : ` by ${transport.toUpperCase()}`}`;
}
