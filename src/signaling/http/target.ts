import { RoomtapError } from "../../core/fault.ts";

/** Where an HTTP endpoint is. */
export type HttpTarget = {
  /** Its address over HTTP, without user and password. */
  readonly url: URL;
  /** For people: host and port. Paths and queries of endpoints often are stream keys. */
  readonly shown: string;
  /** Value of the Authorization header that the address itself asks for. */
  readonly basic?: string;
};

/**
 * Reads `SCHEME+http(s)://host/path`; the query is the server's own, a user and a password become Basic authorization.
 * Throws a RoomtapError `usage`, which does not repeat the address. `name`: what is there, for people.
 */
export function parseHttpTarget(address: string, scheme: string, name: string): HttpTarget {
  const m = /^([a-z]+)\+(https?:\/\/\S+)$/i.exec(address.trim());
  let url: URL;
  try {
    url = new URL(m?.[1]?.toLowerCase() === scheme ? (m[2] ?? "") : "");
  } catch {
    throw new RoomtapError("usage", `the ${name} address is not a URL`, {
      hint: `write it like ${scheme}+https://host/path, as the server's documentation gives it`,
    });
  }
  const basic = basicOf(url);
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url, shown: url.host, ...(basic === undefined ? {} : { basic }) };
}

/** The address as manifests may have it: scheme and host. Throws like `parseHttpTarget`. */
export function httpLabel(address: string, scheme: string, name: string): string {
  const { url } = parseHttpTarget(address, scheme, name);
  return `${scheme}+${url.origin}`;
}

function basicOf(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const pair = [url.username, url.password].map(decoded).join(":");
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function decoded(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}
