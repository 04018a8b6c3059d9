import { RoomtapError } from "../../core/fault.ts";
import type { IceServer } from "../../core/room.ts";
import { parseLinks } from "./link-header.ts";

/*
 * What servers answer, without a network: headers, what a refusal means, and where a token may follow.
 */

/** Body types. */
export const SDP_TYPE = "application/sdp";
/** See `SDP_TYPE`; RFC 8840. */
export const FRAGMENT_TYPE = "application/trickle-ice-sdpfrag";
/** See `SDP_TYPE`. */
export const JSON_TYPE = "application/json";

/** ICE servers taken from one answer. */
const MAX_ICE_SERVERS = 8;
/** The longest time that a server may make us wait, milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Characters of a server's own words that are repeated. */
const MAX_WORDS = 120;
const ICE_URL =
  /^(?:stuns?|turns?):(?:\[[0-9a-f:.]+\]|[^:?\s[\]/@#]+)(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?$/i;

/** ICE servers that Link headers name (RFC 9725 section 4.6), those that can be read. */
export function iceServersOf(link: string): IceServer[] {
  const out: IceServer[] = [];
  for (const { target, params } of parseLinks(link)) {
    const rel = params.get("rel")?.toLowerCase().split(/\s+/);
    // Some servers percent-encode what is a URI already.
    const url = /^\w+%3a/i.test(target) ? decoded(target) : target;
    const port = Number(ICE_URL.exec(url)?.[1] ?? 3478);
    if (!rel?.includes("ice-server") || !ICE_URL.test(url) || port < 1 || port > 65_535) continue;
    const username = params.get("username");
    const credential = params.get("credential");
    out.push({
      urls: [url],
      ...(username === undefined ? {} : { username }),
      ...(credential === undefined ? {} : { credential }),
    });
  }
  return out.slice(0, MAX_ICE_SERVERS);
}

/** Milliseconds to wait, of a Retry-After header (RFC 9110 section 10.2.3); at most a minute; undefined: none. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? "";
  const ms = /^\d{1,9}$/.test(text) ? 1000 * Number(text) : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
}

/** A body's type, without its parameters. */
export function bodyType(header: string | undefined): string {
  return header?.split(";")[0]?.trim().toLowerCase() ?? "";
}

/** The body is a description, whatever its type says: not every server gives it one. */
export function isDescription(body: string, type: string | undefined): boolean {
  const named = type === undefined || bodyType(type) === SDP_TYPE;
  return named && /^v=0\r?\n/.test(body);
}

/** The same place, or the same one made secure: where a token may follow a redirect to. */
export function mayCarryToken(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true;
  const upgraded = from.protocol === "http:" && to.protocol === "https:";
  return upgraded && from.hostname === to.hostname && from.port === "" && to.port === "";
}

/** What a refusal is called, and what to do about it. */
export type Refusal = readonly [
  code: "auth" | "signal-refused" | "signal-protocol" | "negotiation",
  what: string,
  hint: string,
];

/** What a dialect calls its endpoint, and what some of its refusals mean. */
export type Wording = {
  /** Like `WHIP`. */
  readonly name: string;
  /** What we do there, like `publish`. */
  readonly doing: string;
  /** By status: what is said otherwise than for all dialects. */
  readonly refusals: Readonly<Record<number, Refusal>>;
};

/** What a refusal of our offer is called. `shown`: the server; `said`: its own words, see `problemOf`. */
export function refusal(
  status: number,
  shown: string,
  said: string | undefined,
  words: Wording,
): RoomtapError {
  const [code, what, hint] = words.refusals[status] ?? refusals(words)[status] ?? other(status, words);
  return new RoomtapError(code, `${shown} ${what} (${status}${said === undefined ? "" : `: ${said}`})`, {
    hint,
  });
}

const TOKEN_HINT = "check the token: --token, or the variable ROOMTAP_TOKEN";

function refusals({ name, doing }: Wording): Readonly<Record<number, Refusal>> {
  const address = `check the path: the server's documentation says where it takes ${name}`;
  return {
    401: ["auth", "wants other credentials", TOKEN_HINT],
    403: ["auth", `does not let us ${doing}`, TOKEN_HINT],
    404: ["signal-refused", `has no ${name} endpoint there`, address],
    410: ["signal-refused", `has no ${name} endpoint there any more`, address],
    405: ["signal-refused", "takes no offers there", endpointHint(name)],
    413: ["signal-refused", "finds the offer too large", endpointHint(name)],
    415: ["signal-refused", "does not read our offer there", endpointHint(name)],
  };
}

function other(status: number, { name }: Wording): Refusal {
  if (status >= 500)
    return ["signal-refused", "cannot do it now", "try again later, and look into the server's log"];
  return ["signal-protocol", `did not answer as ${name} servers do`, endpointHint(name)];
}

function endpointHint(name: string): string {
  return `is it the address for ${name}, and not that of a page or of something else?`;
}

/** What a server says of a refusal (RFC 9457, or a line of text), made fit for a terminal; undefined: nothing. */
export function problemOf(body: string, type: string | undefined): string | undefined {
  const kind = bodyType(type);
  let text: unknown = kind === "text/plain" ? body : undefined;
  if (/^application\/(?:problem\+)?json$/.test(kind)) {
    try {
      const parsed: { detail?: unknown; title?: unknown; error?: unknown } | null = JSON.parse(body);
      text = parsed?.detail ?? parsed?.title ?? parsed?.error;
    } catch {
      // A server that cannot say what it wants to say.
    }
  }
  if (typeof text !== "string") return undefined;
  const line = text.replace(/[^\x21-\x7e]+/g, " ").trim();
  return line === "" ? undefined : line.slice(0, MAX_WORDS);
}

function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
