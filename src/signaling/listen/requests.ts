import { isLoopback } from "../../net/access.ts";
import { cleanName } from "../room/names.ts";

/*
 * What callers ask for, without a network: which place a request is for, who calls, which pages may.
 */

/** What a request is for. */
export type Place =
  /** Where offers are taken; `name`: what the caller is called, if it says so. */
  | { readonly t: "endpoint"; readonly name: string | undefined }
  | { readonly t: "session"; readonly id: string };

/** Last step of a session's path, before its id: no endpoint or caller is called so. */
const SESSIONS = ".sessions";
/** Characters of a caller's name. */
const MAX_NAME = 64;

/**
 * The place that a request's target names; undefined: there is none. `base`: path of the endpoint. A caller has its
 * name behind it (`/live/ann`) or in the query (`/live?name=ann`).
 */
export function placeOf(target: string, base: string): Place | undefined {
  const url = URL.canParse(target, "http://h") ? new URL(target, "http://h") : undefined;
  if (url?.host !== "h" || !url.pathname.startsWith(base)) return undefined;
  const rest = url.pathname.slice(base.length);
  if (rest !== "" && !rest.startsWith("/")) return undefined;
  const steps = rest.split("/").slice(1);
  const [first = "", second] = steps;
  if (first === SESSIONS) return second && steps.length === 2 ? { t: "session", id: second } : undefined;
  if (steps.length > 1 || first.startsWith(".")) return undefined;
  return { t: "endpoint", name: nameOf(decoded(first)) ?? nameOf(url.searchParams.get("name") ?? "") };
}

/** Path of a session. */
export function sessionPath(base: string, id: string): string {
  return `${base}/${SESSIONS}/${id}`;
}

/** Like `publisher-1`: with the smallest number that nobody has. */
export function unnamed(role: string, taken: ReadonlySet<string>): string {
  let n = 1;
  while (taken.has(`${role}-${n}`)) n++;
  return `${role}-${n}`;
}

/** The token of an Authorization header (RFC 6750 section 2.1). */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}

/**
 * What a browser is told of who may call (CORS), by the Origin header; undefined: this page may not. Where everybody
 * may call, or somebody with a token, pages may as well; else those of this machine: any page in the world could ask
 * the browser of somebody here.
 */
export function corsHeaders(
  origin: string | undefined,
  open: boolean,
): Readonly<Record<string, string>> | undefined {
  const exposed = { "access-control-expose-headers": "Location, ETag, Link" };
  if (open) return { "access-control-allow-origin": "*", ...exposed };
  if (origin === undefined) return {};
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (!url || !isLoopback(url.hostname)) return undefined;
  return { "access-control-allow-origin": origin, vary: "Origin", ...exposed };
}

/** Answers to the question before a request of a page from elsewhere. */
export const preflight = {
  "access-control-allow-methods": "POST, PATCH, DELETE, OPTIONS",
  "access-control-allow-headers": "Authorization, Content-Type, If-Match",
  "access-control-max-age": "600",
} as const;

function nameOf(text: string): string | undefined {
  const name = cleanName(text.slice(0, MAX_NAME));
  return name === "" ? undefined : name;
}

function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
