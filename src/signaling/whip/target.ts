import { RoomtapError } from "../../core/fault.ts";

/** Where a WHIP endpoint is. */
export type WhipTarget = {
  /** Its address over HTTP, without user and password. */
  readonly url: URL;
  /** For people: host and port. Paths and queries of endpoints often are stream keys. */
  readonly shown: string;
  /** Value of the Authorization header that the address itself asks for. */
  readonly basic?: string;
};

const HINT = "write it like whip+https://host/path, as the server's documentation gives it for WHIP";

/**
 * Reads `whip+http(s)://host/path`; the query is the server's own, a user and a password become Basic authorization.
 * Throws a RoomtapError `usage`, which does not repeat the address.
 */
export function parseWhipTarget(address: string): WhipTarget {
  const m = /^whip\+(https?:\/\/\S+)$/i.exec(address.trim());
  let url: URL;
  try {
    url = new URL(m?.[1] ?? "");
  } catch {
    throw new RoomtapError("usage", "the WHIP address is not a URL", { hint: HINT });
  }
  const basic = basicOf(url);
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url, shown: url.host, ...(basic === undefined ? {} : { basic }) };
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
