import { createHash, timingSafeEqual } from "node:crypto";

/** Who may talk to the server: checks of Host, Origin and token. All pure. */

/** Whether a bind address or host name is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  const h = host.toLowerCase();
  return h === "localhost" || h === "::1" || h === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(h);
}

/** Host names under which a server answers, and origins besides its own that may open a WebSocket. */
export type AccessRules = {
  /** Address the server is bound to. */
  readonly host: string;
  /** Origins like `https://meet.example.com`, or `*`. */
  readonly allowOrigins: readonly string[];
};

/**
 * Whether a Host header is one the server expects. On loopback a foreign name means that a web page has
 * pointed its own name at 127.0.0.1 (DNS rebinding). On other addresses the token keeps strangers out, and
 * any name may lead here.
 */
export function hostAllowed(header: string | undefined, rules: AccessRules): boolean {
  const url = header === undefined ? undefined : parseUrl(`http://${header}`);
  if (url?.pathname !== "/" || url.username !== "" || url.search !== "") return false;
  if (!isLoopback(rules.host)) return true;
  const name = url.hostname;
  if (name === "localhost" || name === "127.0.0.1" || name === "[::1]") return true;
  if (name === bracketed(rules.host)) return true;
  return rules.allowOrigins.some((origin) => parseUrl(origin)?.hostname === name);
}

/**
 * Whether a WebSocket may be opened from this origin. Browsers always send one; no Origin at all means a
 * native client, which no web page can pose as.
 */
export function originAllowed(
  origin: string | undefined,
  host: string | undefined,
  rules: AccessRules,
): boolean {
  if (origin === undefined) return true;
  if (rules.allowOrigins.includes("*")) return true;
  const url = parseUrl(origin);
  if (!url || url.host === "") return false;
  // A proxy in front may speak TLS where we do not, so the scheme is not compared.
  if (host !== undefined && url.host === parseUrl(`${url.protocol}//${host}`)?.host) return true;
  return rules.allowOrigins.some((allowed) => parseUrl(allowed)?.origin === url.origin);
}

/** A check against `expected` whose time tells nothing about it. Undefined: everybody may come in. */
export function tokenCheck(expected: string | undefined): (given: string | undefined) => boolean {
  if (expected === undefined) return () => true;
  const want = digest(expected);
  return (given) => given !== undefined && timingSafeEqual(digest(given), want);
}

/** An address as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host.toLowerCase();
}

function digest(s: string): Buffer {
  return createHash("sha256").update(s).digest();
}

function parseUrl(s: string): URL | undefined {
  return URL.canParse(s) ? new URL(s) : undefined;
}
