import { RoomtapError } from "../../core/fault.ts";
import type { IceServer } from "../../core/room.ts";
import { parseLinks } from "./link-header.ts";

/*
 * What goes over the wire of WHIP (RFC 9725), without a network: descriptions as it wants them, fragments for
 * trickle ICE, headers, and what a refusal means.
 */

/** Body types. */
export const SDP_TYPE = "application/sdp";
/** See `SDP_TYPE`; RFC 8840. */
export const FRAGMENT_TYPE = "application/trickle-ice-sdpfrag";

/** ICE servers taken from one answer. */
const MAX_ICE_SERVERS = 8;
/** The longest time that a server may make us wait, milliseconds. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Characters of a server's own words that are repeated. */
const MAX_WORDS = 120;
const ICE_URL =
  /^(?:stuns?|turns?):(?:\[[0-9a-f:.]+\]|[^:?\s[\]/@#]+)(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?$/i;

/**
 * Our offer as endpoints want it. We begin DTLS (RFC 9725 section 4.4.3 lets a client): an endpoint that began it
 * when it made its answer would be there before the answer with its fingerprint is.
 */
export function whipOffer(sdp: string): string {
  return sdp
    .replace(/^a=setup:actpass(?=\r?$)/gm, "a=setup:active")
    .replace(/^a=rtcp-mux(?=\r?$)/gm, "a=rtcp-mux\r\na=rtcp-mux-only");
}

/** Candidates of a description, each as its line says it. */
export function candidatesOf(sdp: string): string[] {
  return linesOf(sdp).filter((line) => line.startsWith("a=candidate:"));
}

/** The description has all candidates. */
export function isComplete(sdp: string): boolean {
  return linesOf(sdp).includes("a=end-of-candidates");
}

/** The answer refuses every stream: it may then name no transport, and cannot be applied. */
export function refusesAll(answer: string): boolean {
  const media = linesOf(answer).filter((line) => line.startsWith("m="));
  return media.length > 0 && media.every((line) => /^m=\w+ 0 /.test(line));
}

/**
 * What a description has and the server was not told, as a fragment (RFC 8840 section 4.4); undefined: nothing.
 * `known`: lines from `candidatesOf`.
 */
export function trickleFragment(sdp: string, known: ReadonlySet<string>): string | undefined {
  const lines = linesOf(sdp);
  const fresh = candidatesOf(sdp).filter((line) => !known.has(line));
  const complete = isComplete(sdp);
  if (fresh.length === 0 && !complete) return undefined;
  const first = (start: string) => lines.filter((line) => line.startsWith(start)).slice(0, 1);
  const out = [
    ...first("a=group:BUNDLE"),
    ...["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:"].flatMap(first),
    ...fresh,
    ...(complete ? ["a=end-of-candidates"] : []),
  ];
  return `${out.join("\r\n")}\r\n`;
}

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

/** The body is a description, whatever its type says: not every server gives it one. */
export function isDescription(body: string, type: string | undefined): boolean {
  const named = type === undefined || type.split(";")[0]?.trim().toLowerCase() === SDP_TYPE;
  return named && /^v=0\r?\n/.test(body);
}

/** The same place, or the same one made secure: where a token may follow a redirect to. */
export function mayCarryToken(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true;
  const upgraded = from.protocol === "http:" && to.protocol === "https:";
  return upgraded && from.hostname === to.hostname && from.port === "" && to.port === "";
}

/** What a refusal of our offer is called. `shown`: the server; `said`: its own words, see `problemOf`. */
export function refusal(status: number, shown: string, said: string | undefined): RoomtapError {
  const [code, what, hint] = refusals[status] ?? other(status);
  return new RoomtapError(code, `${shown} ${what} (${status}${said === undefined ? "" : `: ${said}`})`, {
    hint,
  });
}

type Refusal = readonly [code: "auth" | "signal-refused" | "signal-protocol", what: string, hint: string];

const TOKEN_HINT = "check the token: --token, or the variable ROOMTAP_TOKEN";
const ADDRESS_HINT = "check the path: the server's documentation says where it takes WHIP";
const MEDIA_HINT = "it may want another codec: try --video h264, or --video none";
const ENDPOINT_HINT = "is it the address for WHIP, and not that of a page or for WHEP?";

const refusals: Readonly<Record<number, Refusal>> = {
  401: ["auth", "wants other credentials", TOKEN_HINT],
  403: ["auth", "does not let us publish", TOKEN_HINT],
  404: ["signal-refused", "has no WHIP endpoint there", ADDRESS_HINT],
  410: ["signal-refused", "has no WHIP endpoint there any more", ADDRESS_HINT],
  405: ["signal-refused", "takes no offers there", ENDPOINT_HINT],
  406: ["signal-refused", "does not take this offer", MEDIA_HINT],
  409: ["signal-refused", "has another publisher there", "end the other one, or publish to another path"],
  413: ["signal-refused", "finds the offer too large", ENDPOINT_HINT],
  415: ["signal-refused", "does not read SDP there", ENDPOINT_HINT],
  422: ["signal-refused", "cannot do what the offer asks for", MEDIA_HINT],
};

function other(status: number): Refusal {
  if (status >= 500)
    return [
      "signal-refused",
      "cannot take the stream now",
      "try again later, and look into the server's log",
    ];
  return ["signal-protocol", "did not answer as WHIP servers do", ENDPOINT_HINT];
}

/** What a server says of a refusal (RFC 9457, or a line of text), made fit for a terminal; undefined: nothing. */
export function problemOf(body: string, type: string | undefined): string | undefined {
  const kind = type?.split(";")[0]?.trim().toLowerCase() ?? "";
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

function linesOf(sdp: string): string[] {
  return sdp.split(/\r?\n/);
}

function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
